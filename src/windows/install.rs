//! Laying down Windows' scripts (ops/windows), which this program brings, where Windows can run them.

use std::fs::read_dir;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use include_dir::{Dir, include_dir};

use crate::error::{Error, Kind, Result, io};
use crate::model::config::Config;
use crate::nginx::install::drive;
use crate::setup::install::{Content, Item, install as put};

static SCRIPTS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/ops/windows");
/// Where WSL2 shows the profiles of Windows' users.
pub const PROFILES: &str = "/mnt/c/Users";
/// In a profile, where only its user and administrators write.
const FOLDER: &str = "AppData/Local/flatnet-setup";
/// The profiles that are nobody's, and that everybody can read.
const NOBODYS: [&str; 4] = ["All Users", "Default", "Default User", "Public"];
/// What people start, by which a folder is known to be Flatnet's.
const START: &str = "flatnet.ps1";
const SETTINGS: &str = "settings.psd1";
/// How the names of files end that are Flatnet's.
const KINDS: [&str; 4] = ["cmd", "ps1", "psd1", "xml"];

/// The folder of the one user of Windows whose files this process may see, where that is one.
pub fn folder(profiles: &Path) -> Result<PathBuf> {
    let of_somebody = |name: &str| !NOBODYS.contains(&name);
    let entries = read_dir(profiles).into_iter().flatten().filter_map(std::result::Result::ok);
    let mut users: Vec<PathBuf> = entries
        .filter(|entry| entry.file_name().to_str().is_some_and(of_somebody))
        .map(|entry| entry.path())
        // Windows answers by the rights of whoever started WSL2, whatever root may here.
        .filter(|user| read_dir(user.join("AppData/Local")).is_ok())
        .collect();
    users.sort();
    match &users[..] {
        [user] => Ok(user.join(FOLDER)),
        [] => Err(unusable(format!("there is no folder of a user of Windows in {}", profiles.display()))),
        [first, ..] => {
            let names: Vec<_> = users.iter().filter_map(|user| user.file_name()?.to_str()).collect();
            let what = format!(
                "there are folders of several users of Windows in {}: {}",
                profiles.display(),
                names.join(", ")
            );
            Err(unusable(what)
                .remedy(format!("Name yours: `flatnet windows install {}`", first.join(FOLDER).display())))
        }
    }
}

/// What `folder` is to Windows, such as `C:\Users\ann\..`. An error where it is on no disk of Windows, or where cmd and
/// PowerShell would take a part of it for something else.
pub fn seen_from_windows(folder: &Path) -> Result<String> {
    let shown = folder.display();
    let path = drive(folder).ok_or_else(|| {
        unusable(format!("{shown} is on no disk of Windows, and Windows runs no scripts from a disk of WSL2"))
    })?;
    if !path.chars().all(is_plain) {
        let what = format!("{shown} has other characters than letters, digits, blanks and `._-~`");
        return Err(unusable(what));
    }
    Ok(path.replace('/', "\\"))
}

/// Nothing that cmd, PowerShell or a quoted text of theirs takes for more than itself.
fn is_plain(char: char) -> bool {
    char.is_alphanumeric() || " ._-~:/\\".contains(char)
}

/// Writes the scripts into `folder`, as Windows has lines, and deletes those of an older version.
/// Returns how many there are.
pub fn install(folder: &Path, config: &Config, distribution: Option<&str>) -> Result<usize> {
    refuse_anothers(folder)?;
    let mut items = Vec::new();
    collect(&SCRIPTS, folder, &mut items)?;
    for item in &mut items {
        if let Content::File(text) = &mut item.content {
            if item.path == folder.join(SETTINGS) {
                *text = settings(text, config, distribution);
            }
            *text = text.lines().flat_map(|line| [line, "\r\n"]).collect();
        }
    }
    put(&items, true)?;
    let is_old = |path: &PathBuf| {
        let kind = path.extension().and_then(|kind| kind.to_str()).unwrap_or_default();
        KINDS.contains(&kind) && !items.iter().any(|item| item.path == *path)
    };
    for folder in [folder.to_owned(), folder.join("lib")] {
        let entries = read_dir(&folder).into_iter().flatten().filter_map(std::result::Result::ok);
        for old in entries.map(|entry| entry.path()).filter(is_old) {
            std::fs::remove_file(&old).map_err(io("remove", &old))?;
        }
    }
    Ok(items.len())
}

/// An error where there is something that is not Flatnet's.
fn refuse_anothers(folder: &Path) -> Result<()> {
    let mut entries = match read_dir(folder) {
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(io("look at", folder))?,
    };
    if entries.next().is_none() || folder.join(START).exists() {
        return Ok(());
    }
    Err(unusable(format!("{} holds something that is not Flatnet's", folder.display())))
}

fn unusable(what: String) -> Error {
    Error::new(Kind::WindowsFolder, what)
}

fn collect(dir: &Dir<'_>, folder: &Path, into: &mut Vec<Item>) -> Result<()> {
    for file in dir.files() {
        let path = folder.join(file.path());
        let text = file.contents_utf8().map(str::to_owned);
        let text =
            text.ok_or_else(|| Error::new(Kind::Internal, format!("{} is not valid UTF-8", path.display())))?;
        into.push(Item { path, content: Content::File(text) });
    }
    dir.dirs().try_for_each(|dir| collect(dir, folder, into))
}

/// The settings with what this distribution knows; a line whose value is not known, or could mean more than itself to
/// PowerShell, stays.
fn settings(text: &str, config: &Config, distribution: Option<&str>) -> String {
    let gateway = &config.gateway;
    let quoted = |value: &str| value.chars().all(is_plain).then(|| format!("'{value}'"));
    let ports: Vec<String> = std::iter::once(gateway.listen)
        .chain(gateway.tls.as_ref().map(|tls| tls.listen))
        .map(|port| port.to_string())
        .collect();
    let known = [
        ("Distribution", distribution.and_then(quoted)),
        ("Subnet", quoted(&config.subnet.to_string())),
        ("Ports", Some(format!("@({})", ports.join(", ")))),
        ("Name", gateway.domains.first().and_then(|name| quoted(name.as_str()))),
        ("GatewayDirectory", drive(&gateway.directory).and_then(|path| quoted(&path.replace('/', "\\")))),
    ];
    let line = |line: &str| {
        let key = line.trim_start().split(" = ").next().unwrap_or_default();
        let value = known.iter().find(|(name, _)| *name == key).and_then(|(_, value)| value.as_ref());
        value.map_or_else(|| format!("{line}\n"), |value| format!("    {key} = {value}\n"))
    };
    text.lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn install_folder_needs_exactly_one_windows_user() {
        let profiles = tempfile::tempdir().unwrap();
        let make = |path: &str| std::fs::create_dir_all(profiles.path().join(path)).unwrap();
        for nobodys in NOBODYS {
            make(&format!("{nobodys}/AppData/Local"));
        }
        // Somebody who never logged on.
        make("guest");
        let refused = || folder(profiles.path()).unwrap_err();
        assert!(refused().to_string().contains("there is no folder of a user of Windows"), "{}", refused());
        make("ann/AppData/Local");
        assert_eq!(folder(profiles.path()).unwrap(), profiles.path().join("ann").join(FOLDER));
        make("bob/AppData/Local");
        let error = refused();
        assert!(error.to_string().contains("several users of Windows"), "{error}");
        assert!(error.to_string().contains(": ann, bob"), "{error}");
        assert!(folder(&profiles.path().join("none")).is_err());
    }

    #[test]
    fn path_is_converted_to_windows_or_rejected() {
        let seen = |path: &str| seen_from_windows(Path::new(path));
        assert_eq!(seen("/mnt/c/Users/Ann Lee/x").unwrap(), r"C:\Users\Ann Lee\x");
        assert_eq!(seen("/mnt/d/Jörg.Müller/山田").unwrap(), r"D:\Jörg.Müller\山田");
        for path in [
            "/root/x",
            "/mnt/wsl/x",
            "/mnt/c/a&b",
            "/mnt/c/a%PATH%",
            "/mnt/c/$x",
            "/mnt/c/a'b",
            "/mnt/c/(x)",
            "/mnt/c/a\"b",
        ] {
            assert_eq!(seen(path).unwrap_err().kind(), Kind::WindowsFolder, "{path}");
        }
    }

    #[test]
    fn known_settings_are_filled_and_others_keep_defaults() {
        let yaml = "gateway: {directory: /mnt/c/flatnet/gw-1, domains: [corp.example], listen: 8080, tls: {certificate: a, key: b, listen: 8443}}\n\
                    subnet: 10.87.7.0/24\n";
        let config = crate::model::config::parse(yaml, Path::new("f")).unwrap();
        let template = SCRIPTS.get_file(SETTINGS).unwrap().contents_utf8().unwrap();
        let known = settings(template, &config, Some("Ubuntu-24.04"));
        for line in [
            "Distribution = 'Ubuntu-24.04'",
            "Subnet = '10.87.7.0/24'",
            "Ports = @(8080, 8443)",
            "Name = 'corp.example'",
            r"GatewayDirectory = 'C:\flatnet\gw-1'",
        ] {
            assert!(known.contains(&format!("\n    {line}\n")), "{line}: {known}");
        }
        assert_eq!(known.lines().count(), template.lines().count());
        let unknown = settings(template, &Config::default(), Some("a'; calc"));
        assert_eq!(unknown, template, "the defaults of both sides agree");
    }
}
