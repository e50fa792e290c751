//! Asks a user's own Podman, by processes of the user's. The user can take these over, or make them hang: they get nothing of this
//! program but two ends to write to, and a limited time.

use std::time::{Duration, Instant};

use crate::error::{Error, Kind, Result};
use crate::kernel::execute::{Executor, Exit, HostExecutor, Output, Running};
use crate::model::command::Command;
use crate::model::types::{ContainerId, User, UserName};
use crate::routes::containers::{Inspection, all_containers};
use crate::routes::podman::Container;
use crate::state::lock::Lock;

/// How long one user's Podman may take for all questions.
const LIMIT: Duration = Duration::from_secs(10);
/// How much it may print.
const MOST_BYTES: usize = 8 << 20;
/// How many users are asked at once.
const AT_ONCE: usize = 4;

/// What a user's Podman says.
#[derive(Debug)]
pub struct Answer {
    /// The user.
    pub user: User,
    /// The containers, as Podman calls them.
    pub containers: Vec<Container>,
    /// Containers that it fails to inspect.
    pub left_out: Vec<ContainerId>,
}

/// Asks the Podman of the user `name` for all containers.
pub fn ask(name: &UserName) -> Result<Answer> {
    let mut host = HostExecutor::new(LIMIT);
    let output = host.run(&Command::new(["getent", "passwd", name.as_str()]), &[])?;
    let account = Account::parse(&output.stdout).ok_or_else(|| {
        Error::new(Kind::UserRefused, format!("this host has no user {name} whose Podman could be asked"))
    })?;
    let user = User { name: name.clone(), uid: account.uid };
    let mut podman = AsUser { account, host, until: Instant::now() + LIMIT };
    let Inspection { containers, left_out } = all_containers(&mut podman)?;
    Ok(Answer { user, containers, left_out: left_out.into_keys().collect() })
}

/// Asks several users' Podmans, each for a limited time.
#[must_use]
pub fn ask_all(users: &[UserName]) -> Vec<(UserName, Result<Answer>)> {
    let mut answers = Vec::new();
    for some in users.chunks(AT_ONCE) {
        std::thread::scope(|scope| {
            let asked: Vec<_> = some.iter().map(|name| (name, scope.spawn(|| ask(name)))).collect();
            answers.extend(asked.into_iter().map(|(name, thread)| {
                let failed = |_| Err(Error::new(Kind::Internal, format!("asking user {name} failed")));
                (name.clone(), thread.join().unwrap_or_else(failed))
            }));
        });
    }
    answers
}

/// A line of passwd(5).
#[derive(Debug, PartialEq, Eq)]
struct Account {
    uid: std::num::NonZeroU32,
    gid: u32,
    home: String,
}

impl Account {
    fn parse(line: &str) -> Option<Self> {
        let fields: Vec<&str> = line.lines().next()?.split(':').collect();
        let [_, _, uid, gid, _, home, _] = fields.as_slice() else { return None };
        Some(Self { uid: uid.parse().ok()?, gid: gid.parse().ok()?, home: (*home).to_owned() })
    }

    /// `command`, run by the user. Its own session keeps the user from typing at root's terminal (`TIOCSTI`), `timeout` ends what is left of it, and
    /// `--chdir` fails if the user is not logged in: Podman would make another runtime directory for itself.
    fn running(&self, command: &Command) -> Command {
        let Self { uid, gid, home } = self;
        let runtime = format!("/run/user/{uid}");
        let words = [
            "setsid".to_owned(),
            "setpriv".to_owned(),
            format!("--reuid={uid}"),
            format!("--regid={gid}"),
            "--init-groups".to_owned(),
            "--pdeathsig=TERM".to_owned(),
            "timeout".to_owned(),
            "--signal=KILL".to_owned(),
            LIMIT.as_secs().to_string(),
            "env".to_owned(),
            format!("--chdir={runtime}"),
            format!("HOME={home}"),
            format!("XDG_RUNTIME_DIR={runtime}"),
        ];
        Command::new(words.into_iter().chain(command.argv.iter().cloned()))
    }
}

/// Runs commands as a user.
struct AsUser {
    account: Account,
    host: HostExecutor,
    until: Instant,
}

impl Executor for AsUser {
    fn start(&mut self, command: &Command, _: &[&Lock]) -> Result<Box<dyn Running>> {
        let stream = self.host.stream(&self.account.running(command))?;
        let left = self.until.saturating_duration_since(Instant::now());
        let output = stream.output(left, MOST_BYTES)?;
        match output.exit {
            // `timeout` ends itself by the same signal.
            Exit::TimedOut(_) | Exit::Signal(_) => {
                let what = format!("it was killed after {} s", output.took.as_secs());
                Err(Error::new(Kind::CommandTimedOut, what))
            }
            Exit::Code(_) => Ok(Box::new(Ended(output))),
        }
    }
}

struct Ended(Output);

impl Running for Ended {
    fn wait(self: Box<Self>) -> Result<Output> {
        Ok(self.0)
    }

    fn has_ended(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_is_read_from_passwd_line() {
        let account = Account::parse("alice:x:1001:1002:Alice,,,:/home/alice:/bin/bash\n").unwrap();
        assert_eq!((account.uid.get(), account.gid, account.home.as_str()), (1001, 1002, "/home/alice"));
        let line = account.running(&Command::new(["podman", "ps"])).line();
        assert_eq!(
            line,
            "setsid setpriv --reuid=1001 --regid=1002 --init-groups --pdeathsig=TERM timeout --signal=KILL 10 env \
             --chdir=/run/user/1001 HOME=/home/alice XDG_RUNTIME_DIR=/run/user/1001 podman ps"
        );
        for line in ["", "root:x:0:0:root:/root:/bin/sh", "alice:x:y:1:::", "alice:x:1001"] {
            assert_eq!(Account::parse(line), None, "{line}");
        }
    }
}
