//! WSL2 stops an idle virtual machine, and containers do not count as activity.

use std::path::PathBuf;

use super::inside;
use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::kernel::observe::ini;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "wsl-idle",
    group: Group::Wsl2,
    looks_at: "`vmIdleTimeout` in Windows' .wslconfig, if it is readable",
    shows: "containers stop by themselves a minute after the last terminal is closed",
    needs: Needs::Nothing,
    quick: false,
    look,
};

fn look(_: &mut Context) -> Result<Vec<Finding>> {
    Ok(inside(|| {
        let files: Vec<(PathBuf, String)> = wslconfigs()
            .into_iter()
            .filter_map(|path| Some((path.clone(), std::fs::read_to_string(path).ok()?)))
            .collect();
        judge(&files)
    }))
}

/// The files of all Windows users: the one who started WSL2 is unknown here.
fn wslconfigs() -> Vec<PathBuf> {
    let users = std::fs::read_dir("/mnt/c/Users").into_iter().flatten();
    users.filter_map(|user| Some(user.ok()?.path().join(".wslconfig"))).collect()
}

fn judge(files: &[(PathBuf, String)]) -> Finding {
    let limits: Vec<(String, Option<i64>)> = files
        .iter()
        .map(|(path, text)| {
            let value = ini::value(text, "wsl2", "vmIdleTimeout").and_then(|value| value.parse().ok());
            (path.display().to_string(), value)
        })
        .collect();
    if limits.is_empty() {
        return Finding::warning(
            "no .wslconfig was found: WSL2 stops this host 60 s after the last terminal is closed",
        )
        .help(HELP);
    }
    match limits.iter().find(|(_, limit)| limit.is_none_or(|limit| limit >= 0)) {
        None => {
            Finding::good(format!("{}: vmIdleTimeout is negative, which disables the timeout", limits[0].0))
        }
        Some((path, limit)) => {
            let limit =
                limit.map_or("not set and defaults to 60000 ms".to_owned(), |limit| format!("{limit} ms"));
            Finding::warning(format!("{path}: vmIdleTimeout is {limit}")).help(HELP)
        }
    }
}

const HELP: &str = "In Windows, set `vmIdleTimeout=-1` under [wsl2] in %UserProfile%\\.wslconfig, then run `wsl --shutdown`. \
     A process started by Windows, such as `wsl.exe -e sleep infinity` in a logon task, also keeps a distribution running";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn only_negative_idle_timeout_is_good() {
        let file = |text: &str| vec![(PathBuf::from("/mnt/c/Users/me/.wslconfig"), text.to_owned())];
        assert_eq!(judge(&[]).level, Level::Warning);
        assert_eq!(judge(&file("[wsl2]\nmemory=8GB\n")).level, Level::Warning);
        assert_eq!(judge(&file("[wsl2]\r\nvmIdleTimeout=60000\r\n")).level, Level::Warning);
        assert_eq!(judge(&file("[wsl2]\r\nvmIdleTimeout=-1\r\n")).level, Level::Good);
    }
}
