//! `flatnet windows install`: writes Windows' scripts (ops/windows), which this program contains, to a folder of Windows.

use std::fs::read_dir;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use include_dir::{Dir, include_dir};

use crate::error::{Error, Kind, Result, io};
use crate::model::config::Config;
use crate::nginx::install::drive;
use crate::setup::install::{Content, Item, install as put};

static SCRIPTS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/ops/windows");
/// The profiles of Windows' users, as WSL2 mounts them.
pub const PROFILES: &str = "/mnt/c/Users";
/// The folder in a profile, where only its user and administrators can write.
const FOLDER: &str = "AppData/Local/flatnet-setup";
/// Profiles that belong to no user and that everyone can read.
const SHARED_PROFILES: [&str; 4] = ["All Users", "Default", "Default User", "Public"];
/// The script that users start. A folder that contains it is Flatnet's.
const START: &str = "flatnet.ps1";
const SETTINGS: &str = "settings.psd1";
/// The extensions of Flatnet's files.
const KINDS: [&str; 4] = ["cmd", "ps1", "psd1", "xml"];

/// The folder in the profile of the only Windows user whose files this process can read; an error if there is not exactly one.
pub fn folder(profiles: &Path) -> Result<PathBuf> {
    let is_of_user = |name: &str| !SHARED_PROFILES.contains(&name);
    let entries = read_dir(profiles).into_iter().flatten().filter_map(std::result::Result::ok);
    let mut users: Vec<PathBuf> = entries
        .filter(|entry| entry.file_name().to_str().is_some_and(is_of_user))
        .map(|entry| entry.path())
        // Windows applies the rights of the user who started WSL2, even to root.
        .filter(|user| read_dir(user.join("AppData/Local")).is_ok())
        .collect();
    users.sort();
    match &users[..] {
        [user] => Ok(user.join(FOLDER)),
        [] => Err(unusable(format!("no profile of a Windows user found in {}", profiles.display()))),
        [first, ..] => {
            let names: Vec<_> = users.iter().filter_map(|user| user.file_name()?.to_str()).collect();
            let what = format!(
                "several profiles of Windows users found in {}: {}",
                profiles.display(),
                names.join(", ")
            );
            Err(unusable(what).remedy(format!(
                "Give your folder: `flatnet windows install {}`",
                first.join(FOLDER).display()
            )))
        }
    }
}

/// The Windows path of `folder`, such as `C:\Users\ann\..`. An error if it is not on a disk of Windows, or contains characters
/// that cmd or PowerShell would interpret.
pub fn windows_path(folder: &Path) -> Result<String> {
    let shown = folder.display();
    let path = drive(folder).ok_or_else(|| {
        unusable(format!(
            "{shown} is not on a disk of Windows, and Windows does not run scripts from WSL2's file system"
        ))
    })?;
    if !path.chars().all(is_plain) {
        let what = format!("{shown} contains characters other than letters, digits, spaces and `._-~`");
        return Err(unusable(what));
    }
    Ok(path.replace('/', "\\"))
}

/// Whether neither cmd nor PowerShell gives the character a meaning, quoted or not.
fn is_plain(char: char) -> bool {
    char.is_alphanumeric() || " ._-~:/\\".contains(char)
}

/// Writes the scripts to `folder` with Windows' line ends, and deletes those of an older version. Returns the number of scripts.
pub fn install(folder: &Path, config: &Config, distribution: Option<&str>) -> Result<usize> {
    refuse_foreign_files(folder)?;
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

/// An error if the folder contains files, but not Flatnet's start script.
fn refuse_foreign_files(folder: &Path) -> Result<()> {
    let mut entries = match read_dir(folder) {
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(io("look at", folder))?,
    };
    if entries.next().is_none() || folder.join(START).exists() {
        return Ok(());
    }
    Err(unusable(format!("{} contains files that are not Flatnet's", folder.display())))
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

/// Fills the settings with this distribution's values. A value that is unknown, or that PowerShell could interpret, keeps its
/// default.
fn settings(text: &str, config: &Config, distribution: Option<&str>) -> String {
    let gateway = &config.gateway;
    let quoted = |value: &str| value.chars().all(is_plain).then(|| format!("'{value}'"));
    let ports: Vec<String> = std::iter::once(gateway.listen)
        .chain(gateway.tls.as_ref().map(|tls| tls.listen))
        .map(|port| port.to_string())
        .collect();
    let known = [
        ("Distribution", distribution.and_then(quoted)),
        ("Subnet", quoted(&config.routed().to_string())),
        ("Ports", Some(format!("@({})", ports.join(", ")))),
        ("Name", gateway.domains.first().and_then(|name| quoted(name.as_str()))),
        ("Zone", quoted(if config.names.enabled { config.names.zone.as_str() } else { "" })),
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
        for shared in SHARED_PROFILES {
            make(&format!("{shared}/AppData/Local"));
        }
        // A user who has never logged on.
        make("guest");
        let refused = || folder(profiles.path()).unwrap_err();
        assert!(refused().to_string().contains("no profile of a Windows user found"), "{}", refused());
        make("ann/AppData/Local");
        assert_eq!(folder(profiles.path()).unwrap(), profiles.path().join("ann").join(FOLDER));
        make("bob/AppData/Local");
        let error = refused();
        assert!(error.to_string().contains("several profiles of Windows users"), "{error}");
        assert!(error.to_string().contains(": ann, bob"), "{error}");
        assert!(folder(&profiles.path().join("none")).is_err());
    }

    #[test]
    fn path_is_converted_to_windows_or_rejected() {
        let converted = |path: &str| windows_path(Path::new(path));
        assert_eq!(converted("/mnt/c/Users/Ann Lee/x").unwrap(), r"C:\Users\Ann Lee\x");
        assert_eq!(converted("/mnt/d/Jörg.Müller/山田").unwrap(), r"D:\Jörg.Müller\山田");
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
            assert_eq!(converted(path).unwrap_err().kind(), Kind::WindowsFolder, "{path}");
        }
    }

    #[test]
    fn known_settings_are_filled_and_others_keep_defaults() {
        let yaml = "gateway: {directory: /mnt/c/flatnet/gw-1, domains: [corp.example], listen: 8080, tls: {certificate: a, key: b, listen: 8443}}\n\
                    subnet: 10.87.7.0/24\nnames: {zone: pods.corp.example}\n";
        let config = crate::model::config::parse(yaml, Path::new("f")).unwrap();
        let template = SCRIPTS.get_file(SETTINGS).unwrap().contents_utf8().unwrap();
        let known = settings(template, &config, Some("Ubuntu-24.04"));
        for line in [
            "Distribution = 'Ubuntu-24.04'",
            "Subnet = '10.87.7.0/24'",
            "Ports = @(8080, 8443)",
            "Name = 'corp.example'",
            "Zone = 'pods.corp.example'",
            r"GatewayDirectory = 'C:\flatnet\gw-1'",
        ] {
            assert!(known.contains(&format!("\n    {line}\n")), "{line}: {known}");
        }
        assert_eq!(known.lines().count(), template.lines().count());
        let joined =
            crate::model::config::parse("overlay: {kind: nebula, number: 1}", Path::new("f")).unwrap();
        assert!(settings(template, &joined, None).contains("\n    Subnet = '10.87.0.0/16'\n"));
        let unknown = settings(template, &Config::default(), Some("a'; calc"));
        assert_eq!(unknown, template, "unknown and unsafe values keep their defaults");
    }
}
