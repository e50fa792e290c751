//! Asks users' Podmans in the background: one that hangs delays nobody's routes but its user's.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use super::ask::{Answer, ask};
use crate::error::Result;
use crate::model::types::UserName;
use crate::routes::watch::Wake;

/// How many users are asked at once.
const AT_ONCE: usize = 4;
/// The shortest pause between two questions to one user.
const LEAST: Duration = Duration::from_secs(1);
/// When a user is asked once more after a change: a container that is being removed is detached first.
const SETTLED: Duration = Duration::from_secs(3);
/// The first and the longest pause after a failure.
const PAUSE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));

/// The users to ask, each at its time.
#[derive(Debug)]
pub(in crate::routes) struct Background {
    users: BTreeMap<UserName, Turn>,
    answers: (Sender<Given>, Receiver<Given>),
    wake: Wake,
}

type Given = (UserName, Result<Answer>);

#[derive(Debug, Default)]
struct Turn {
    is_running: bool,
    /// When the user is asked next, and once more.
    next: Option<Instant>,
    again: Option<Instant>,
    /// Not before.
    earliest: Option<Instant>,
    pause: Duration,
}

impl Background {
    pub(in crate::routes) fn new(wake: Wake) -> Self {
        Self { users: BTreeMap::new(), answers: channel(), wake }
    }

    /// Has these users asked as soon as possible, and once more if their containers have just `changed`.
    pub(in crate::routes) fn want(
        &mut self,
        users: impl IntoIterator<Item = UserName>,
        changed: bool,
        now: Instant,
    ) {
        for user in users {
            let turn = self.users.entry(user).or_default();
            turn.next.get_or_insert(now);
            if changed {
                turn.again = Some(now + SETTLED);
            }
        }
    }

    /// Starts the questions that are due.
    pub(in crate::routes) fn ask_due(&mut self, now: Instant) {
        let running = self.users.values().filter(|turn| turn.is_running).count();
        let mut due: Vec<_> =
            self.users.iter_mut().filter(|(_, turn)| turn.due().is_some_and(|at| at <= now)).collect();
        due.sort_by_key(|(_, turn)| turn.due());
        for (user, turn) in due.into_iter().take(AT_ONCE.saturating_sub(running)) {
            let (send, name, wake) = (self.answers.0.clone(), user.clone(), self.wake.clone());
            let work = move || {
                let answer = ask(&name);
                let _ = send.send((name, answer));
                wake.ring();
            };
            turn.is_running = std::thread::Builder::new().name("user".to_owned()).spawn(work).is_ok();
            (turn.next, turn.again) = (turn.again, None);
            turn.earliest = Some(now + LEAST);
        }
    }

    /// The answers so far.
    pub(in crate::routes) fn take(&mut self, now: Instant) -> Vec<Given> {
        let answers: Vec<Given> = self.answers.1.try_iter().collect();
        for (user, answer) in &answers {
            let turn = self.users.entry(user.clone()).or_default();
            turn.is_running = false;
            turn.pause = match answer {
                Ok(_) => Duration::ZERO,
                Err(_) => (turn.pause * 2).clamp(PAUSE.0, PAUSE.1),
            };
            turn.earliest = Some(now + turn.pause.max(LEAST));
        }
        answers
    }

    /// When the next question is due.
    pub(in crate::routes) fn next(&self) -> Option<Instant> {
        let running = self.users.values().filter(|turn| turn.is_running).count();
        if running >= AT_ONCE { None } else { self.users.values().filter_map(Turn::due).min() }
    }
}

impl Turn {
    fn due(&self) -> Option<Instant> {
        let wanted = if self.is_running { None } else { self.next };
        wanted.map(|at| self.earliest.map_or(at, |earliest| at.max(earliest)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_whose_podman_fails_is_asked_less_and_less_often() {
        let mut background = Background::new(Wake::new().unwrap());
        let user: UserName = "nobody-of-this-name".parse().unwrap();
        let mut now = Instant::now();
        let mut pauses = Vec::new();
        for _ in 0..9 {
            background.want([user.clone()], false, now);
            now = now.max(background.next().unwrap());
            background.ask_due(now);
            assert_eq!(background.next(), None, "one question at a time");
            let answers = loop {
                let answers = background.take(now);
                if !answers.is_empty() {
                    break answers;
                }
                std::thread::sleep(Duration::from_millis(2));
            };
            assert!(answers[0].1.is_err());
            background.want([user.clone()], false, now);
            pauses.push((background.next().unwrap() - now).as_secs());
        }
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
    }

    #[test]
    fn changed_user_is_asked_once_more() {
        let mut background = Background::new(Wake::new().unwrap());
        let user: UserName = "nobody-of-this-name".parse().unwrap();
        let now = Instant::now();
        background.want([user.clone()], true, now);
        background.want([user], true, now);
        background.ask_due(now);
        while background.take(now).is_empty() {
            std::thread::sleep(Duration::from_millis(2));
        }
        assert_eq!(background.next(), Some(now + PAUSE.0));
        background.ask_due(now + PAUSE.0);
        while background.take(now).is_empty() {
            std::thread::sleep(Duration::from_millis(2));
        }
        assert_eq!(background.next(), None);
    }
}
