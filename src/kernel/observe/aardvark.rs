//! Names in Podman's own networks, from the files that netavark writes for aardvark-dns.
//!
//! The format is that of aardvark-dns' README: one file to a network; the first line has the addresses at which aardvark-dns
//! listens, then the servers it forwards to; each other line has a container's ID, IPv4 addresses, IPv6 addresses, names, and
//! servers, with one blank between them and commas within. Other lines are ignored.

use std::fs::File;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::{Dir, Mode, OFlags, openat};

use crate::model::types::{ContainerId, NetworkName};

/// The directory of netavark, which root's Podman uses. Only root can enter its parent, but everybody can read it.
pub const NETAVARK: &str = "/run/containers/networks";
/// The files' directory, which netavark creates and removes.
const AARDVARK: &str = "aardvark-dns";
/// The size limit of a file.
const MAX_BYTES: u64 = 4 << 20;
/// Longer than a step of the time that the kernel gives files.
const STEP: Duration = Duration::from_millis(50);

/// A network of Podman's with names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AardvarkNetwork {
    /// Its name in Podman.
    pub name: String,
    /// Where aardvark-dns forwards what it does not know; if empty, to this host's servers.
    pub servers: Vec<IpAddr>,
    /// Its containers.
    pub containers: Vec<AardvarkContainer>,
}

/// A container in such a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AardvarkContainer {
    /// The container.
    pub id: ContainerId,
    /// Its addresses.
    pub addresses: Vec<Ipv4Addr>,
    /// Its names, aliases and short ID.
    pub names: Vec<String>,
    /// Where aardvark-dns forwards its questions; if empty, to the network's servers.
    pub servers: Vec<IpAddr>,
}

/// The directory of netavark, kept open, so that it can be read without root.
#[derive(Debug)]
pub struct AardvarkFiles {
    directory: Option<OwnedFd>,
    /// What was read, and from which files.
    networks: Vec<AardvarkNetwork>,
    files: Vec<(String, SeenFile)>,
}

/// Device, inode, size and time of a file.
type SeenFile = (u64, u64, u64, SystemTime);

impl AardvarkFiles {
    /// Opens the directory at `path`, which may be missing.
    #[must_use]
    pub fn open(path: &Path) -> Self {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(path, flags, Mode::empty()).ok();
        Self { directory, networks: Vec::new(), files: Vec::new() }
    }

    /// The networks as they are now; files are read again if one changed. A file that cannot be read is left out.
    pub fn networks(&mut self) -> &[AardvarkNetwork] {
        let opened = self.open_all();
        let files: Vec<(String, SeenFile)> =
            opened.iter().map(|(name, _, seen)| (name.clone(), *seen)).collect();
        // The time of files has steps: one that changed just now may change again without another time.
        let is_fresh = |(_, (_, _, _, modified)): &(String, SeenFile)| {
            SystemTime::now().duration_since(*modified).is_ok_and(|age| age < STEP)
        };
        if files != self.files || files.iter().any(is_fresh) {
            let read = |(name, file, _): (String, File, SeenFile)| {
                let mut text = String::new();
                file.take(MAX_BYTES).read_to_string(&mut text).ok()?;
                parse(&name, &text)
            };
            self.networks = opened.into_iter().filter_map(read).collect();
            self.files = files;
        }
        &self.networks
    }

    fn open_all(&self) -> Vec<(String, File, SeenFile)> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let open = |at: &OwnedFd, name: &str| openat(at, name, flags, Mode::empty()).ok();
        let Some(directory) = self.directory.as_ref().and_then(|directory| open(directory, AARDVARK)) else {
            return Vec::new();
        };
        let seen = |name: &str| {
            let file = File::from(open(&directory, name)?);
            let found = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
            let seen = (found.dev(), found.ino(), found.len(), found.modified().ok()?);
            Some((name.to_owned(), file, seen))
        };
        let entries = Dir::read_from(&directory).into_iter().flatten().flatten();
        entries.filter_map(|entry| seen(entry.file_name().to_str().ok()?)).collect()
    }
}

/// The content of the file `name`; `None` if it is no network's.
fn parse(name: &str, text: &str) -> Option<AardvarkNetwork> {
    // Internal networks have a mark behind their name.
    let name = name.split('%').next().unwrap_or_default();
    NetworkName::parse(name).ok()?;
    let mut lines = text.lines();
    let mut head = lines.next()?.split(' ');
    list::<IpAddr>(head.next()?).first()?;
    let servers = list(head.next().unwrap_or_default());
    Some(AardvarkNetwork {
        name: name.to_owned(),
        servers,
        containers: lines.filter_map(container).collect(),
    })
}

fn container(line: &str) -> Option<AardvarkContainer> {
    let mut words = line.split(' ');
    let id = ContainerId::parse(words.next()?).ok()?;
    let addresses = list(words.next()?);
    let names = list(words.nth(1)?);
    Some(AardvarkContainer { id, addresses, names, servers: list(words.next().unwrap_or_default()) })
}

/// The parts of `text` that can be parsed.
fn list<T: std::str::FromStr>(text: &str) -> Vec<T> {
    text.split(',').filter(|part| !part.is_empty()).filter_map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Podman 5.4 writes it.
    const TEXT: &str = "10.89.0.1,fd00::1 10.87.1.1\n\
                        1adc0059a1bb 10.89.0.2 fd00::2 pod1,1adc0059a1bb\nfe50b2ca12e3 10.89.0.15,10.89.0.16  Both,alias 9.9.9.9,::1\n";

    #[test]
    fn files_of_podman_are_read() {
        let network = parse("podnet%int", TEXT).unwrap();
        assert_eq!(network.name, "podnet");
        assert_eq!(network.servers, [IpAddr::from([10, 87, 1, 1])]);
        let both = &network.containers[1];
        assert_eq!(both.addresses, [Ipv4Addr::new(10, 89, 0, 15), Ipv4Addr::new(10, 89, 0, 16)]);
        assert_eq!(both.names, ["Both", "alias"]);
        assert_eq!(both.servers.len(), 2);
        assert_eq!(network.containers[0].names, ["pod1", "1adc0059a1bb"]);
        assert!(network.containers[0].servers.is_empty());
    }

    #[test]
    fn other_text_is_ignored() {
        assert_eq!(parse("aardvark.pid", "221"), None);
        assert_eq!(parse("a", ""), None);
        assert_eq!(parse("../a", TEXT), None);
        let network = parse("a", "10.89.0.1\n\nx\nid 10.89.0.2\n! 10.89.0.2  name\nid x  name\n").unwrap();
        assert_eq!(network.containers.len(), 1);
        assert!(network.containers[0].addresses.is_empty());
    }

    #[test]
    fn directory_may_appear_after_it_was_opened() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("containers/networks");
        assert!(!path.exists());
        std::fs::create_dir_all(&path).unwrap();
        let mut files = AardvarkFiles::open(&path);
        assert_eq!(files.networks(), []);
        std::fs::create_dir(path.join(AARDVARK)).unwrap();
        std::fs::write(path.join(AARDVARK).join("podnet"), TEXT).unwrap();
        std::fs::write(path.join(AARDVARK).join("aardvark.pid"), "1").unwrap();
        assert_eq!(files.networks().len(), 1);
        for (text, count) in [(TEXT.to_owned() + "0123 10.89.0.9  later\n", 3), (TEXT.to_owned(), 2)] {
            std::fs::write(path.join(AARDVARK).join("podnet"), text).unwrap();
            assert_eq!(files.networks()[0].containers.len(), count);
            std::thread::sleep(2 * STEP);
            assert_eq!(files.networks()[0].containers.len(), count);
        }
        std::fs::remove_file(path.join(AARDVARK).join("podnet")).unwrap();
        assert_eq!(files.networks(), []);
    }
}
