//! The name of a user, and what root allows the user.

use std::num::NonZeroU32;

use crate::error::{Error, Kind, Result};
use crate::kernel::execute::Executor;
use crate::model::command::Command;
use crate::model::config::{Allowance, Config};
use crate::model::types::{User, UserName};

const PASSWD: &str = "/etc/passwd";

/// The user with the number `uid`. Users that are not in /etc/passwd, as those of a directory service, are looked up by
/// `getent`.
pub fn user(uid: NonZeroU32, executor: &mut dyn Executor) -> Result<User> {
    let listed = std::fs::read_to_string(PASSWD).unwrap_or_default();
    let found = name_in(&listed, uid).or_else(|| {
        let output = executor.run(&Command::new(["getent", "passwd", &uid.to_string()]), &[]).ok()?;
        name_in(&output.stdout, uid)
    });
    let unknown = || Error::new(Kind::UserRefused, format!("user {uid} has no name that Flatnet supports"));
    Ok(User { name: found.ok_or_else(unknown)?, uid })
}

/// What `user` may have on the network.
pub fn allowance<'c>(config: &'c Config, user: &User) -> Result<&'c Allowance> {
    let refused = || {
        let what = format!("user {} may not attach containers to {}", user.name, config.network);
        Error::new(Kind::UserRefused, what)
            .remedy(format!("As root, run `flatnet init --rootless {}`", user.name))
    };
    config.rootless.users.get(&user.name).ok_or_else(refused)
}

/// The name of the first user with this number in lines of passwd(5).
fn name_in(passwd: &str, uid: NonZeroU32) -> Option<UserName> {
    let name = |line: &str| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        (number.parse() == Ok(uid)).then(|| name.parse().ok())
    };
    passwd.lines().find_map(name).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_has_the_first_name_with_the_number() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nbroken\nalice:x:1001:1001::/home/alice:/bin/bash\nalias:x:1001:1:::\na.b:x:1002:1:::\n";
        let name = |uid| name_in(passwd, NonZeroU32::new(uid).unwrap()).map(|name| name.to_string());
        assert_eq!(name(1001).as_deref(), Some("alice"));
        assert_eq!((name(1002), name(100)), (None, None));
    }
}
