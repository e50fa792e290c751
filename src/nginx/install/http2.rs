//! How nginx enables HTTP/2: since 1.25.1 by the directive `http2`, which older versions reject. Newer versions warn about the
//! old parameter of `listen`.

use std::path::Path;

use super::{Platform, drive};
use crate::kernel::execute::Executor;
use crate::model::command::Command;

/// The first version with the directive.
const SINCE: [u32; 3] = [1, 25, 1];
/// The file that contains the directive.
const SERVERS: &str = "conf/conf.d/servers.conf";

/// Whether the nginx that serves `directory` supports the directive. If its version is unknown, the installed files decide;
/// without these, the old parameter is used, which all versions accept.
pub fn has_directive(platform: Platform, directory: &Path, executor: &mut dyn Executor) -> bool {
    let version = match platform {
        Platform::Linux => version_of_nginx(executor),
        Platform::Windows => version_of_openresty(directory),
    };
    version.map_or_else(|| is_written(directory), |version| version >= SINCE)
}

/// The version of this host's nginx.
fn version_of_nginx(executor: &mut dyn Executor) -> Option<[u32; 3]> {
    let output = executor.run(&Command::new(["nginx", "-v"]), &[]).ok()?;
    version(output.stderr.as_bytes())
}

/// The version of Windows' nginx, which cannot be run from here: it is read from `C:\openresty\nginx.exe`, the path in
/// docs/windows.md.
fn version_of_openresty(directory: &Path) -> Option<[u32; 3]> {
    drive(directory)?;
    let disk: std::path::PathBuf = directory.components().take(3).collect();
    version(&std::fs::read(disk.join("openresty/nginx.exe")).ok()?)
}

fn is_written(directory: &Path) -> bool {
    std::fs::read_to_string(directory.join(SERVERS)).is_ok_and(|text| text.contains("http2 on;"))
}

/// The first version of nginx or `OpenResty` in `text`. `OpenResty` appends a number to nginx' version.
fn version(text: &[u8]) -> Option<[u32; 3]> {
    let name = |rest: &[u8]| {
        ["nginx/", "openresty/"].iter().find(|name| rest.starts_with(name.as_bytes())).map(|name| name.len())
    };
    (0..text.len()).find_map(|at| numbers(&text[at + name(&text[at..])?..]))
}

fn numbers(text: &[u8]) -> Option<[u32; 3]> {
    let end = text.iter().position(|byte| !byte.is_ascii_digit() && *byte != b'.').unwrap_or(text.len());
    let mut parts = std::str::from_utf8(&text[..end]).ok()?.split('.').map(str::parse);
    let mut next = || parts.next()?.ok();
    Some([next()?, next()?, next()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nginx_and_openresty_versions_are_parsed() {
        for (text, wanted) in [
            ("nginx version: nginx/1.22.1\n", Some([1, 22, 1])),
            ("nginx version: nginx/1.26.3 (Debian)\n", Some([1, 26, 3])),
            ("nginx version: openresty/1.29.2.1\n", Some([1, 29, 2])),
            ("\0nginx/%s\0/usr/share/nginx/html\0openresty/1.27.1.2\0nginx/1.0.0", Some([1, 27, 1])),
            ("nginx/1.25", None),
            ("nginx/99999999999.1.1", None),
            ("", None),
        ] {
            assert_eq!(version(text.as_bytes()), wanted, "{text:?}");
        }
    }

    #[test]
    fn existing_http2_syntax_is_kept_if_version_is_unknown() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!is_written(dir.path()));
        std::fs::create_dir_all(dir.path().join("conf/conf.d")).unwrap();
        std::fs::write(dir.path().join(SERVERS), "server {\n    http2 on;\n").unwrap();
        assert!(is_written(dir.path()));
        assert_eq!(version_of_openresty(dir.path()), None);
        assert_eq!(version_of_openresty(Path::new("/mnt/c/flatnet/gateway")), None);
    }
}
