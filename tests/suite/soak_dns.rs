//! Whatever comes to the resolver as a message: an answer that can be parsed, or none; no panic.

use domain::base::{Message, Rtype};
use flatnet::names::{Response, answers};
use flatnet::state::names::NamesFile;
use serde_json::json;

use crate::soak;
use crate::soak_fuzz::Dice;

const NAMES: &str = "\
version 1
network flatnet
listen 10.87.1.1
subnet 10.87.1.0/24
zone direct.flatnet.internal
domain flatnet.internal 10.87.1.1
host gateway 10.87.1.1
";

/// Names that lead to each kind of answer.
const ASKED: [&str; 12] = [
    "web",
    "all",
    "nobody",
    "web.direct.flatnet.internal",
    "all.direct.flatnet.internal",
    "direct.flatnet.internal",
    "x.flatnet.internal",
    "2.1.87.10.in-addr.arpa",
    "99.1.87.10.in-addr.arpa",
    "www.example.org",
    "",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
];
const TYPES: [u16; 14] = [1, 2, 5, 6, 12, 15, 16, 28, 41, 65, 249, 252, 255, 65_535];
/// Bytes that mean something: pointers, lengths, counts, flags.
const ODD: [u8; 12] = [0, 1, 2, 12, 41, 63, 64, 0x80, 0xbf, 0xc0, 0xfe, 0xff];

fn file() -> NamesFile {
    let names: String =
        (2..200).map(|host| format!("name 10.87.1.{host} id{host} eth0 web{host} all\n")).collect();
    NamesFile::parse(&format!("{NAMES}{names}name 10.87.1.250 web eth0 web\n")).unwrap()
}

fn question(dice: &mut Dice) -> Vec<u8> {
    let has_opt = dice.below(2) == 1;
    let mut bytes = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(has_opt)];
    for label in dice.pick(&ASKED).split('.').filter(|label| !label.is_empty()) {
        bytes.push(u8::try_from(label.len()).unwrap());
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes.extend(dice.pick(&TYPES).to_be_bytes());
    bytes.extend([0, 1]);
    if has_opt {
        bytes.extend([0, 0, 41]);
        bytes.extend(u16::try_from(dice.below(65_536)).unwrap().to_be_bytes());
        bytes.extend([0, 0, 0, 0, 0, 0]);
    }
    bytes
}

/// Some bytes are others, are missing, are there twice, or point anywhere.
fn broken(dice: &mut Dice) -> Vec<u8> {
    let mut bytes = question(dice);
    for _ in 0..dice.below(5) {
        let at = dice.below(bytes.len());
        match dice.below(7) {
            0 => bytes[at] = *dice.pick(&ODD),
            1 => bytes[at] ^= 1 << dice.below(8),
            2 => bytes.insert(at, *dice.pick(&ODD)),
            3 => bytes.truncate(at.max(1)),
            4 => bytes.extend_from_within(at..),
            5 => drop(bytes.splice(at..at, [0xc0, u8::try_from(dice.below(256)).unwrap()])),
            _ => bytes.extend((0..dice.below(300)).map(|byte| byte.to_le_bytes()[0])),
        }
    }
    bytes
}

fn check(message: &[u8], response: &Response, is_tcp: bool) {
    let Response::Answer(answer) = response else { return };
    assert_eq!(answer[..2], message[..2], "the ID of {message:x?}");
    assert!(answer.len() <= if is_tcp { 65_535 } else { 1232 }, "{} bytes for {message:x?}", answer.len());
    let parsed = Message::from_slice(answer).expect("a header");
    assert!(parsed.header().qr(), "{message:x?}");
    let records = [parsed.answer(), parsed.authority(), parsed.additional()];
    let mut end = 12;
    for section in records {
        let mut section = section.unwrap_or_else(|error| panic!("{error}: {message:x?}"));
        for record in section.by_ref() {
            let record = record.unwrap_or_else(|error| panic!("{error}: {message:x?}"));
            assert!(record.rtype() == Rtype::OPT || record.ttl().is_zero(), "{message:x?}");
        }
        end = section.pos();
    }
    assert_eq!(end, answer.len(), "bytes behind the answer to {message:x?}");
}

#[test]
fn any_message_gets_an_answer_or_none() {
    let runs = soak::count(100_000);
    let mut dice = Dice(soak::seed());
    let (mut answered, mut forwarded) = (0, 0);
    for is_tcp in [false, true] {
        let mut answer = answers(vec![file()], is_tcp);
        for _ in 0..runs / 2 {
            let message = broken(&mut dice);
            let response = answer(&message);
            check(&message, &response, is_tcp);
            answered += usize::from(matches!(response, Response::Answer(_)));
            forwarded += usize::from(response == Response::Forward);
        }
    }
    soak::report(runs, 0, &json!({"answered": answered, "forwarded": forwarded}));
    assert!(
        answered > runs / 3 && forwarded > runs / 50,
        "{answered} answered, {forwarded} forwarded of {runs}"
    );
}
