//! Questions: which are answered, which are refused, which are not even refused.
//!
//! The library `domain` parses; here is what RFC 1035, 6891 and 8906 ask of a server.

use domain::base::iana::{Class, Opcode, OptRcode, Rcode};
use domain::base::name::ToLabelIter;
use domain::base::opt::OptRecord;
use domain::base::{Message, Rtype};

/// The length of a message's header.
pub(super) const HEADER: usize = 12;
/// The longest name as text.
const LONGEST: usize = 254;
/// The largest question: a name, and options of EDNS.
pub(super) const LARGEST: usize = 4096;

/// A well-formed question of class IN.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question<'a> {
    pub(super) message: &'a Message<[u8]>,
    pub(super) name: QuestionName,
    pub(super) rtype: Rtype,
    /// Where the question ends in the message.
    pub(super) end: usize,
    pub(super) edns: Option<Edns>,
}

/// What the client's OPT record says (RFC 6891).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Edns {
    /// How large an answer by UDP may be.
    pub(super) size: u16,
    pub(super) wants_dnssec: bool,
    pub(super) has_options: bool,
}

/// Why a message is not answered as a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It gets no answer: it is an answer itself, or has no header.
    Silence,
    /// It gets an error.
    Error(OptRcode),
}

/// A name in lower case, as text: labels with dots between them, without one at the end.
#[derive(Clone, Copy)]
pub(super) struct QuestionName {
    text: [u8; LONGEST],
    length: usize,
    /// How many labels it has; the root has none.
    pub(super) labels: usize,
}

impl QuestionName {
    pub(super) fn of(name: &impl ToLabelIter) -> Self {
        let mut all = Self { text: [0; LONGEST], length: 0, labels: 0 };
        for label in name.iter_labels().filter(|label| !label.is_root()) {
            if all.labels > 0 {
                all.push(b'.');
            }
            // A dot inside a label is not a dot between two: no name of ours contains what stands for it.
            label.iter().for_each(|byte| all.push(if byte == b'.' { 0 } else { byte.to_ascii_lowercase() }));
            all.labels += 1;
        }
        all
    }

    fn push(&mut self, byte: u8) {
        if let Some(place) = self.text.get_mut(self.length) {
            *place = byte;
            self.length += 1;
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.text.get(..self.length).unwrap_or_default()
    }

    /// What stands before `domain`; empty for the domain itself, `None` for a name that is not in it.
    pub(super) fn within(&self, domain: &[u8]) -> Option<&[u8]> {
        match self.as_bytes().strip_suffix(domain)? {
            [] => Some(&[]),
            [before @ .., b'.'] => Some(before),
            _ => None,
        }
    }
}

impl PartialEq for QuestionName {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl std::fmt::Display for QuestionName {
    /// As in a zone's file: other characters than those of a host name are escaped.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.length == 0 {
            return f.write_str(".");
        }
        self.as_bytes().iter().try_for_each(|&byte| match byte {
            0 => f.write_str("\\."),
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' => write!(f, "{}", char::from(byte)),
            _ => write!(f, "\\{byte:03}"),
        })
    }
}

impl std::fmt::Debug for QuestionName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl<'a> Question<'a> {
    /// Parses a message from a client.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Refusal> {
        let malformed = Refusal::Error(Rcode::FORMERR.into());
        let message = Message::from_slice(bytes).map_err(|_| Refusal::Silence)?;
        let (header, counts) = (message.header(), message.header_counts());
        if header.qr() {
            return Err(Refusal::Silence);
        }
        if bytes.len() > LARGEST {
            return Err(malformed);
        }
        if header.opcode() != Opcode::QUERY {
            return Err(Refusal::Error(Rcode::NOTIMP.into()));
        }
        let is_one = (counts.qdcount(), counts.ancount(), counts.nscount()) == (1, 0, 0);
        if !is_one || counts.arcount() > 1 {
            return Err(malformed);
        }
        let mut section = message.question();
        let Some(Ok(question)) = section.next() else { return Err(malformed) };
        let end = section.pos();
        // Nothing stands before the first name that it could point to.
        if end != HEADER + usize::from(question.qname().compose_len()) + 4 {
            return Err(malformed);
        }
        let edns = additional(message).map_err(|()| malformed)?;
        if edns.as_ref().is_some_and(|opt| opt.version() > 0) {
            return Err(Refusal::Error(OptRcode::BADVERS));
        }
        let edns = edns.map(|opt| Edns {
            size: opt.udp_payload_size(),
            wants_dnssec: opt.dnssec_ok(),
            has_options: !opt.opt().is_empty(),
        });
        let rtype = question.qtype();
        if rtype == Rtype::OPT {
            return Err(malformed);
        }
        // Types 249 to 254 are no data, but services, of which only AXFR is offered.
        let is_service = (249..=254).contains(&rtype.to_int()) && rtype != Rtype::AXFR;
        if question.qclass() != Class::IN || is_service {
            return Err(Refusal::Error(Rcode::NOTIMP.into()));
        }
        let name = QuestionName::of(question.qname());
        Ok(Self { message, name, rtype, end, edns })
    }

    /// Whether it asks for all records of a zone (AXFR, RFC 5936).
    pub(super) fn is_transfer(&self) -> bool {
        self.rtype == Rtype::AXFR
    }

    /// Whether an answer to it is one to everybody who asks the same: it has no options such as a cookie.
    pub(super) fn is_plain(&self) -> bool {
        let counts = self.message.header_counts();
        let has_other = counts.arcount() > 0 && self.edns.is_none();
        !has_other && self.edns.is_none_or(|edns| !edns.has_options)
    }
}

/// The OPT record, if there is one. What follows the last record makes the message malformed.
fn additional(message: &Message<[u8]>) -> Result<Option<OptRecord<&[u8]>>, ()> {
    let mut section = message.additional().map_err(|_| ())?;
    let record = section.next().transpose().map_err(|_| ())?;
    let opt = match record.filter(|record| record.rtype() == Rtype::OPT) {
        None => None,
        Some(record) => {
            let is_root = record.owner().is_root();
            let record = record.into_record().map_err(|_| ())?.filter(|_| is_root).ok_or(())?;
            Some(OptRecord::from_record(record))
        }
    };
    if section.pos() == message.as_slice().len() { Ok(opt) } else { Err(()) }
}
