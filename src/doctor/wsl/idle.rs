//! WSL2 stops a virtual machine in which nobody is: containers do not count as somebody.

use std::path::PathBuf;

use super::inside;
use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::kernel::observe::ini;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "wsl-idle",
    group: Group::Wsl2,
    looks_at: "`vmIdleTimeout` in Windows' .wslconfig, as far as it can be read",
    shows: "containers stop a minute after the last terminal is closed, and nobody stopped them",
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

/// Those of all users of Windows: which of them started WSL2 cannot be seen from here.
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
        None => Finding::good(format!("{}: vmIdleTimeout is below 0: never", limits[0].0)),
        Some((path, limit)) => {
            let limit = limit.map_or("not set, which is 60000 ms".to_owned(), |limit| format!("{limit} ms"));
            Finding::warning(format!("{path}: vmIdleTimeout is {limit}")).help(HELP)
        }
    }
}

const HELP: &str = "In Windows write `vmIdleTimeout=-1` under [wsl2] into %UserProfile%\\.wslconfig, then `wsl --shutdown`. \
     A process that Windows started, such as `wsl.exe -e sleep infinity` in a task at logon, keeps a distribution running, too";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn only_below_zero_is_never() {
        let file = |text: &str| vec![(PathBuf::from("/mnt/c/Users/me/.wslconfig"), text.to_owned())];
        assert_eq!(judge(&[]).level, Level::Warning);
        assert_eq!(judge(&file("[wsl2]\nmemory=8GB\n")).level, Level::Warning);
        assert_eq!(judge(&file("[wsl2]\r\nvmIdleTimeout=60000\r\n")).level, Level::Warning);
        assert_eq!(judge(&file("[wsl2]\r\nvmIdleTimeout=-1\r\n")).level, Level::Good);
    }
}
