//! Asks the resolvers of other hosts, for people: which hosts are there, how a name is answered, all names of a host.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use domain::base::iana::Rcode;
use domain::base::{Message, MessageBuilder, Name, ParsedRecord, Rtype};
use domain::rdata::{A, Txt};
use ipnet::Ipv4Net;

use super::network::wire_name;
use super::question::QuestionName;
use super::reply::Buffer;
use super::servers::PORT;
use crate::model::config::Config;
use crate::model::types::{ContainerName, HostName, HostNumbers};

/// How long an answer is waited for: the first packet to a host waits for Nebula to find it.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a list of names may take.
const LONGEST: Duration = Duration::from_secs(5);
/// When the question is repeated, since datagrams get lost.
const AGAIN: Duration = Duration::from_millis(700);
/// How many hosts are asked at once.
const MOST: u16 = 1024;
/// The largest list of names.
const MOST_BYTES: usize = 16 << 20;

/// What a host says of itself (TXT).
pub(super) const VERSION: &str = concat!("flatnet ", env!("CARGO_PKG_VERSION"));

/// A host whose resolver answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresentHost {
    /// How long it took, not counting the time to find the host if a second question was answered.
    pub round_trip: Duration,
    /// The version of Flatnet there.
    pub version: Option<String>,
}

/// The resolvers of other hosts, seen from this one.
#[derive(Clone, Debug)]
pub struct OtherHosts {
    /// The hosts that there may be.
    pub numbers: HostNumbers,
    /// This host's number.
    pub own: u16,
    /// The zone, which is the same on all hosts.
    pub zone: HostName,
}

impl OtherHosts {
    /// Those of the host with this configuration; `None` if it is connected with no others.
    #[must_use]
    pub fn of(config: &Config) -> Option<Self> {
        let own = config.overlay.as_ref()?.number;
        Some(Self { numbers: config.host_numbers(), own, zone: config.names.zone.clone() })
    }

    /// The numbers of all that there may be, but no more than can be asked at once.
    #[must_use]
    pub fn all(&self) -> Vec<u16> {
        (1..=self.numbers.count().min(MOST)).filter(|number| *number != self.own).collect()
    }

    /// Which of the hosts with these numbers answer.
    pub fn present(&self, numbers: &[u16]) -> Result<BTreeMap<u16, PresentHost>> {
        let socket = UdpSocket::bind((self.numbers.bridge_address_of(self.own), 0))?;
        let mut probes: BTreeMap<Ipv4Addr, Probe> = numbers
            .iter()
            .map(|&number| (self.numbers.bridge_address_of(number), Probe::new(number)))
            .collect();
        let began = Instant::now();
        for limit in [AGAIN, PATIENCE] {
            for (address, probe) in probes.iter_mut().filter(|(_, probe)| probe.took.is_none()) {
                probe.send(&socket, *address, &self.zone);
            }
            while probes.values().any(Probe::is_waiting) && began.elapsed() < limit {
                let left = limit.saturating_sub(began.elapsed()).max(Duration::from_millis(1));
                socket.set_read_timeout(Some(left))?;
                let mut answer = [0; 512];
                let Ok((length, SocketAddr::V4(from))) = socket.recv_from(&mut answer) else { continue };
                let Some(probe) = probes.get_mut(from.ip()) else { continue };
                if probe.receive(&answer[..length]) {
                    probe.send(&socket, *from.ip(), &self.zone);
                }
            }
        }
        let present = |probe: Probe| {
            let round_trip = probe.took.or(probe.found)?;
            Some((probe.number, PresentHost { round_trip, version: probe.version }))
        };
        Ok(probes.into_values().filter_map(present).collect())
    }

    /// The addresses that the resolver at `host` has for `name`; none for a name that it does not know.
    pub fn addresses(&self, host: Ipv4Addr, name: &str) -> Result<Vec<Ipv4Addr>> {
        let socket = UdpSocket::bind((self.numbers.bridge_address_of(self.own), 0))?;
        socket.connect((host, PORT))?;
        // The kernel chooses a random port, and a connected socket receives only from the server.
        let id = socket.local_addr()?.port();
        let message = question(id, name, Rtype::A)?;
        let began = Instant::now();
        for limit in [AGAIN, PATIENCE] {
            socket.send(&message)?;
            let left = limit.saturating_sub(began.elapsed()).max(Duration::from_millis(1));
            socket.set_read_timeout(Some(left))?;
            let mut answer = [0; 1500];
            match socket.recv(&mut answer) {
                Ok(length) => {
                    let subnet = self.numbers.number_of(host).map(|number| self.numbers.subnet_of(number));
                    let addresses = records(&answer[..length], id)?.into_iter().map(|(_, at)| at);
                    return Ok(addresses.filter(|at| subnet.is_some_and(|net| net.contains(at))).collect());
                }
                Err(cause) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&cause.kind()) => {}
                Err(cause) => return Err(cause),
            }
        }
        Err(ErrorKind::TimedOut.into())
    }

    /// All names of containers of the host with this number, and their addresses.
    pub fn names(&self, number: u16) -> Result<Vec<(ContainerName, Ipv4Addr)>> {
        let address = self.numbers.bridge_address_of(number);
        let until = Instant::now() + LONGEST;
        let mut stream = TcpStream::connect_timeout(&(address, PORT).into(), PATIENCE)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let domain = format!("h{number}.{}", self.zone);
        let message = question(number, &domain, Rtype::AXFR)?;
        stream.write_all(&u16::try_from(message.len()).unwrap_or_default().to_be_bytes())?;
        stream.write_all(&message)?;
        let (mut names, mut bytes, mut ends) = (Vec::new(), 0, 0);
        // The list begins and ends with the zone's SOA record.
        while ends < 2 {
            let mut length = [0; 2];
            read_exactly(&mut stream, &mut length, until)?;
            let mut part = vec![0; usize::from(u16::from_be_bytes(length))];
            read_exactly(&mut stream, &mut part, until)?;
            bytes += part.len();
            let found = records(&part, number)?;
            let is_end = |record: &&(QuestionName, Ipv4Addr)| record.1.is_unspecified();
            ends += found.iter().filter(is_end).count();
            if bytes > MOST_BYTES || found.is_empty() {
                return Err(Error::new(ErrorKind::InvalidData, "not a list of names"));
            }
            let container = |name: &QuestionName| {
                let inner = name.within(domain.as_bytes())?;
                ContainerName::parse(std::str::from_utf8(inner).ok()?).ok()
            };
            let subnet = self.numbers.subnet_of(number);
            let records = found.iter().filter(|record| subnet.contains(&record.1));
            names.extend(records.filter_map(|(name, at)| Some((container(name)?, *at))));
        }
        Ok(names)
    }
}

/// Fills `buffer` before `until`, so that a host that sends a byte now and then does not hold the caller up.
fn read_exactly(stream: &mut TcpStream, buffer: &mut [u8], until: Instant) -> Result<()> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(rest)? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            count => filled += count,
        }
    }
    Ok(())
}

/// Whether an answer leads to addresses of `subnet` only: a host could lead others' programs to what listens on their own machines.
pub(super) fn leads_only_to(answer: &[u8], subnet: Ipv4Net) -> bool {
    let is_in = |record: &ParsedRecord<'_, [u8]>| match record.rtype() {
        Rtype::PTR | Rtype::TXT | Rtype::SOA | Rtype::HINFO => true,
        Rtype::A => {
            let record = record.to_record::<A>().ok().flatten();
            record.is_some_and(|record| subnet.contains(&Ipv4Addr::from(record.data().addr().octets())))
        }
        _ => false,
    };
    let records = Message::from_slice(answer).ok().and_then(|message| message.answer().ok());
    records.is_some_and(|mut records| records.all(|record| record.as_ref().is_ok_and(is_in)))
}

/// A host that may be there.
#[derive(Debug)]
struct Probe {
    number: u16,
    sent: Option<Instant>,
    /// How long the first answer took, which waited for the host to be found.
    found: Option<Duration>,
    /// How long the second one took.
    took: Option<Duration>,
    version: Option<String>,
}

impl Probe {
    fn new(number: u16) -> Self {
        Self { number, sent: None, found: None, took: None, version: None }
    }

    /// Whether an answer may come: the question could be sent.
    fn is_waiting(&self) -> bool {
        self.sent.is_some() && self.took.is_none()
    }

    fn send(&mut self, socket: &UdpSocket, address: Ipv4Addr, zone: &HostName) {
        let message = question(self.number, &format!("h{}.{zone}", self.number), Rtype::TXT);
        let sent = message.and_then(|message| socket.send_to(&message, (address, PORT)));
        self.sent = sent.is_ok().then(Instant::now);
    }

    /// Takes an answer. Returns whether one more is wanted.
    fn receive(&mut self, answer: &[u8]) -> bool {
        let (Some(sent), Ok(version)) = (self.sent, version(answer, self.number)) else { return false };
        self.version = version;
        let is_first = self.found.is_none();
        *(if is_first { &mut self.found } else { &mut self.took }) = Some(sent.elapsed());
        is_first
    }
}

fn question(id: u16, name: &str, rtype: Rtype) -> Result<Vec<u8>> {
    let invalid = || Error::new(ErrorKind::InvalidInput, "not a name");
    let name: Name<Vec<u8>> = wire_name(name).ok_or_else(invalid)?;
    let mut message = Vec::new();
    let mut builder = MessageBuilder::from_target(Buffer(&mut message)).map_err(|_| invalid())?;
    builder.header_mut().set_id(id);
    builder.question().push((&name, rtype)).map_err(|_| invalid())?;
    Ok(message)
}

/// The answer to `id`, unless it is an error other than that the name does not exist.
fn answer_to(message: &[u8], id: u16) -> Result<&Message<[u8]>> {
    let invalid = |what: &str| Error::new(ErrorKind::InvalidData, what);
    let message = Message::from_slice(message).map_err(|_| invalid("not a DNS message"))?;
    let header = message.header();
    if header.id() != id || !header.qr() {
        return Err(invalid("not the answer to the question"));
    }
    match header.rcode() {
        Rcode::NOERROR | Rcode::NXDOMAIN => Ok(message),
        rcode => Err(invalid(&format!("the resolver there answers {rcode}"))),
    }
}

/// What a host says of itself in an answer to `id`.
fn version(message: &[u8], id: u16) -> Result<Option<String>> {
    let message = answer_to(message, id)?;
    let is_harmless = |byte: &u8| byte.is_ascii_alphanumeric() || b".+-".contains(byte);
    let records = message.answer().ok().into_iter().flatten().flatten();
    let versions = records.filter_map(|record| {
        let text = record.to_record::<Txt<_>>().ok()??;
        let text = text.data().as_flat_slice()?.strip_prefix(b"flatnet ")?.to_vec();
        String::from_utf8(text)
            .ok()
            .filter(|text| text.len() <= 32 && text.as_bytes().iter().all(is_harmless))
    });
    Ok(versions.last())
}

/// The records of an answer to `id`: names and their addresses, and 0.0.0.0 for an SOA record. None for a name that does not exist;
/// an error for another error of the server, or another message.
fn records(message: &[u8], id: u16) -> Result<Vec<(QuestionName, Ipv4Addr)>> {
    let malformed = |_| Error::new(ErrorKind::InvalidData, "not a DNS message");
    let message = answer_to(message, id)?;
    let mut found = Vec::new();
    for record in message.answer().map_err(malformed)? {
        let record = record.map_err(malformed)?;
        let name = QuestionName::of(&record.owner());
        if record.rtype() == Rtype::SOA {
            found.push((name, Ipv4Addr::UNSPECIFIED));
        } else if let Ok(Some(record)) = record.to_record::<A>() {
            found.push((name, record.data().addr().octets().into()));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::{Response, answers};
    use crate::state::names::NamesFile;

    #[test]
    fn answer_of_the_resolver_is_read() {
        let text = "version 1\nnetwork lab\nlisten 10.87.2.1\nsubnet 10.87.2.0/24\nrange 10.87.0.0/16\nzone z.internal\n\
                    name 10.87.2.2 0123456789abcdef eth0 db\nname 10.87.2.3 fedcba9876543210 eth0 db\n";
        let mut resolver = answers(vec![NamesFile::parse(text).unwrap()], false);
        let mut asked = |name: &str| match resolver(&question(7, name, Rtype::A).unwrap()) {
            Response::Answer(answer) => {
                let mut found: Vec<Ipv4Addr> =
                    records(&answer, 7).unwrap().into_iter().map(|(_, address)| address).collect();
                found.sort_unstable();
                assert!(records(&answer, 8).is_err(), "the answer to another question");
                found
            }
            other => panic!("{name}: {other:?}"),
        };
        let both: [Ipv4Addr; 2] = [[10, 87, 2, 2].into(), [10, 87, 2, 3].into()];
        for name in ["db", "db.h2", "db.host2", "db.h2.z.internal"] {
            assert_eq!(asked(name), both, "{name}");
        }
        assert_eq!(asked("h2.z.internal"), [Ipv4Addr::from([10, 87, 2, 1])]);
        assert_eq!(asked("nobody.h2"), Vec::<Ipv4Addr>::new());
        // What a host says of other addresses than its own is not passed on.
        let Response::Answer(answer) = resolver(&question(7, "db.h2", Rtype::A).unwrap()) else { panic!() };
        assert!(leads_only_to(&answer, "10.87.2.0/24".parse().unwrap()));
        assert!(!leads_only_to(&answer, "10.87.3.0/24".parse().unwrap()));
        assert!(!leads_only_to(&answer[..answer.len() - 1], "10.87.2.0/24".parse().unwrap()), "cut short");
        for message in [&b""[..], &[0; 12], &[0, 7, 0x81, 2, 0, 0, 0, 0, 0, 0, 0, 0]] {
            assert!(records(message, 7).is_err(), "{message:?}");
        }
    }
}
