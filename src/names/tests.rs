//! Questions and their answers, as text.

use domain::base::iana::Opcode;
use domain::base::{Message, Rtype};
use domain::rdata::AllRecordData;

use super::network::wire_name;
use super::*;

const FLATNET: &str = "\
version 1
network flatnet
listen 10.87.1.1
subnet 10.87.1.0/24
client 172.20.0.1
zone direct.flatnet.internal
domain flatnet.internal 10.87.1.1
domain local 192.168.1.5
domain dev.local 192.168.1.6
host gateway 10.87.1.1
host windows 172.20.0.1
name 10.87.1.2 0123456789abcdef eth0 Web my_app app
name 10.87.1.3 fedcba9876543210 eth0 db app www.example.org
name 10.87.1.4 aaaaaaaaaaaaaaaa eth0
name 10.87.1.5 bbbbbbbbbbbbbbbb eth0 0123456789012345678901234567890123456789012345678901234567890123 long
";
const LAB: &str = "\
version 1
network lab
listen 10.88.0.1
subnet 10.88.0.0/20
zone lab.internal
name 10.88.3.2 cccccccccccccccc eth1 db only-lab
";

/// A question as dig sends it, of class IN, with EDNS if `size` is given.
fn message(name: &str, rtype: Rtype, size: Option<u16>) -> Vec<u8> {
    let mut bytes = vec![0x12, 0x34, 0x01, 0x20, 0, 1, 0, 0, 0, 0, 0, u8::from(size.is_some())];
    bytes.extend(wire_name(name).expect("a name").as_slice());
    bytes.extend(rtype.to_int().to_be_bytes());
    bytes.extend([0, 1]);
    if let Some(size) = size {
        bytes.extend([0, 0, 41]);
        bytes.extend(size.to_be_bytes());
        bytes.extend([0, 0, 0x80, 0, 0, 0]);
    }
    bytes
}

fn files(texts: &[&str]) -> Vec<NamesFile> {
    texts.iter().map(|text| NamesFile::parse(text).unwrap()).collect()
}

/// `NOERROR 10.87.1.2`, `NXDOMAIN zone`, or what else is done.
fn shown(response: &Response) -> String {
    let bytes = match response {
        Response::Answer(bytes) => bytes,
        other => return format!("{other:?}"),
    };
    let message = Message::from_slice(bytes).unwrap();
    let mut parts = vec![message.header().rcode().to_string()];
    let records = message.answer().unwrap().chain(message.authority().unwrap());
    for record in records {
        let record = record.unwrap();
        let record = record.to_any_record::<AllRecordData<_, _>>().unwrap();
        assert_eq!(record.ttl().as_secs(), 0);
        parts.push(match record.data() {
            AllRecordData::A(data) => data.addr().to_string(),
            AllRecordData::Ptr(data) => data.ptrdname().to_string(),
            AllRecordData::Soa(data) => format!("in {}.", data.mname()),
            other => other.to_string(),
        });
    }
    parts.join(" ")
}

fn ask(texts: &[&str], name: &str, rtype: Rtype) -> String {
    shown(&answers(files(texts), false)(&message(name, rtype, None)))
}

#[test]
fn names_are_answered_with_and_without_zone() {
    for (name, wanted) in [
        ("web", "NOERROR 10.87.1.2"),
        ("WEB", "NOERROR 10.87.1.2"),
        ("my_app", "NOERROR 10.87.1.2"),
        ("0123456789ab", "NOERROR 10.87.1.2"),
        ("wEb.direct.FLATNET.internal", "NOERROR 10.87.1.2"),
        ("0123456789ab.direct.flatnet.internal", "NOERROR 10.87.1.2"),
        ("aaaaaaaaaaaa", "NOERROR 10.87.1.4"),
        ("long", "NOERROR 10.87.1.5"),
        ("gateway.direct.flatnet.internal", "NOERROR 10.87.1.1"),
        ("windows", "NOERROR 172.20.0.1"),
        // The gateway's domains: the longest one, and the zone before it.
        ("flatnet.internal", "NOERROR 10.87.1.1"),
        ("web.flatnet.internal", "NOERROR 10.87.1.1"),
        ("a.b.local", "NOERROR 192.168.1.5"),
        ("x.dev.local", "NOERROR 192.168.1.6"),
        ("dev.local", "NOERROR 192.168.1.6"),
        ("xdev.local", "NOERROR 192.168.1.5"),
        // A name of several labels without the zone is the internet's.
        ("www.example.org.direct.flatnet.internal", "NOERROR 10.87.1.3"),
        ("www.example.org", "Forward"),
        ("webdirect.flatnet.internal", "NOERROR 10.87.1.1"),
        ("xflatnet.internal", "Forward"),
        ("nobody", "NXDOMAIN in ."),
        ("nobody.direct.flatnet.internal", "NXDOMAIN in direct.flatnet.internal."),
        ("x.web.direct.flatnet.internal", "NXDOMAIN in direct.flatnet.internal."),
        ("direct.flatnet.internal", "NOERROR in direct.flatnet.internal."),
        ("", "Forward"),
    ] {
        assert_eq!(ask(&[FLATNET], name, Rtype::A), wanted, "{name}");
    }
}

#[test]
fn other_types_have_no_data_and_hide_no_public_name() {
    for (name, rtype, wanted) in [
        ("web", Rtype::AAAA, "NOERROR in ."),
        ("web", Rtype::MX, "NOERROR in ."),
        ("web.direct.flatnet.internal", Rtype::AAAA, "NOERROR in direct.flatnet.internal."),
        ("a.local", Rtype::AAAA, "NOERROR in local."),
        ("nobody", Rtype::AAAA, "NXDOMAIN in ."),
        ("nobody.direct.flatnet.internal", Rtype::TXT, "NXDOMAIN in direct.flatnet.internal."),
        ("direct.flatnet.internal", Rtype::SOA, "NOERROR in direct.flatnet.internal."),
        ("direct.flatnet.internal", Rtype::NS, "NOERROR in direct.flatnet.internal."),
        ("web", Rtype::ANY, "NOERROR \"RFC8482\" \"\""),
        ("com", Rtype::NS, "Forward"),
        ("com", Rtype::ANY, "Forward"),
        ("", Rtype::NS, "Forward"),
        ("example.org", Rtype::AAAA, "Forward"),
    ] {
        assert_eq!(ask(&[FLATNET], name, rtype), wanted, "{name} {rtype}");
    }
}

#[test]
fn addresses_are_answered_with_full_names() {
    for (name, rtype, wanted) in [
        ("2.1.87.10.in-addr.arpa", Rtype::PTR, "NOERROR Web.direct.flatnet.internal"),
        ("2.1.87.10.IN-addr.arpa", Rtype::PTR, "NOERROR Web.direct.flatnet.internal"),
        ("4.1.87.10.in-addr.arpa", Rtype::PTR, "NOERROR aaaaaaaaaaaa.direct.flatnet.internal"),
        // Its name is longer than a label can be.
        ("5.1.87.10.in-addr.arpa", Rtype::PTR, "NOERROR long.direct.flatnet.internal"),
        ("1.1.87.10.in-addr.arpa", Rtype::PTR, "NOERROR gateway.direct.flatnet.internal"),
        ("9.1.87.10.in-addr.arpa", Rtype::PTR, "NXDOMAIN in 1.87.10.in-addr.arpa."),
        ("2.1.87.10.in-addr.arpa", Rtype::A, "NOERROR in 1.87.10.in-addr.arpa."),
        ("2.3.88.10.in-addr.arpa", Rtype::PTR, "NOERROR db.lab.internal"),
        ("2.4.88.10.in-addr.arpa", Rtype::PTR, "NXDOMAIN in 88.10.in-addr.arpa."),
        ("2.2.87.10.in-addr.arpa", Rtype::PTR, "Forward"),
        ("1.87.10.in-addr.arpa", Rtype::PTR, "Forward"),
        ("x.2.1.87.10.in-addr.arpa", Rtype::PTR, "Forward"),
        ("02.1.87.10.in-addr.arpa", Rtype::PTR, "Forward"),
    ] {
        assert_eq!(ask(&[FLATNET, LAB], name, rtype), wanted, "{name} {rtype}");
    }
}

#[test]
fn own_network_comes_before_others() {
    for (name, from_flatnet, from_lab) in [
        ("db", "NOERROR 10.87.1.3", "NOERROR 10.88.3.2"),
        ("only-lab", "NOERROR 10.88.3.2", "NOERROR 10.88.3.2"),
        ("web", "NOERROR 10.87.1.2", "NOERROR 10.87.1.2"),
        ("db.lab.internal", "NOERROR 10.88.3.2", "NOERROR 10.88.3.2"),
        ("db.direct.flatnet.internal", "NOERROR 10.87.1.3", "NOERROR 10.87.1.3"),
        ("web.lab.internal", "NXDOMAIN in lab.internal.", "NXDOMAIN in lab.internal."),
        ("x.local", "NOERROR 192.168.1.5", "NOERROR 192.168.1.5"),
    ] {
        assert_eq!(ask(&[FLATNET, LAB], name, Rtype::A), from_flatnet, "{name}");
        assert_eq!(ask(&[LAB, FLATNET], name, Rtype::A), from_lab, "{name}");
    }
    let same_zone = LAB.replace("lab.internal", "direct.flatnet.internal");
    let both = [FLATNET, same_zone.as_str()];
    assert_eq!(ask(&both, "only-lab.direct.flatnet.internal", Rtype::A), "NOERROR 10.88.3.2");
    assert_eq!(
        ask(&both, "nobody.direct.flatnet.internal", Rtype::A),
        "NXDOMAIN in direct.flatnet.internal."
    );
}

#[test]
fn container_comes_before_host_of_same_name() {
    let text = FLATNET.replace(" my_app ", " gateway ");
    assert_eq!(ask(&[&text], "gateway.direct.flatnet.internal", Rtype::A), "NOERROR 10.87.1.2");
    // But it cannot take a name in a domain of the gateway, nor the domain.
    let text = FLATNET.replace(" my_app ", " local x.local ");
    assert_eq!(ask(&[&text], "x.local", Rtype::A), "NOERROR 192.168.1.5");
    assert_eq!(ask(&[&text], "local", Rtype::A), "NOERROR 192.168.1.5");
}

#[test]
fn addresses_of_one_name_take_turns() {
    let mut answer = answers(files(&[FLATNET]), false);
    let mut next = || shown(&answer(&message("app", Rtype::A, None)));
    let turns = [next(), next(), next()];
    assert_eq!(
        turns,
        ["NOERROR 10.87.1.2 10.87.1.3", "NOERROR 10.87.1.3 10.87.1.2", "NOERROR 10.87.1.2 10.87.1.3"]
    );
}

#[test]
fn answer_keeps_id_spelling_and_flags() {
    let question = message("WeB.Direct.flatnet.INTERNAL", Rtype::A, Some(4096));
    let Response::Answer(answer) = answers(files(&[FLATNET]), false)(&question) else {
        panic!("not answered")
    };
    assert_eq!(answer[..2], question[..2]);
    assert_eq!(answer[12..45], question[12..45], "the question is repeated as it came");
    let header = Message::from_slice(&answer).unwrap().header();
    let flags = [header.qr(), header.aa(), header.tc(), header.rd(), header.ra(), header.ad(), header.cd()];
    assert_eq!(flags, [true, true, false, true, true, false, false]);
    let opt = Message::from_slice(&answer).unwrap().opt().expect("RFC 6891: OPT is answered with OPT");
    assert_eq!((opt.udp_payload_size(), opt.version(), opt.dnssec_ok()), (1232, 0, true));
    let Response::Answer(answer) = answers(files(&[FLATNET]), false)(&message("web", Rtype::A, None)) else {
        panic!("not answered")
    };
    assert!(Message::from_slice(&answer).unwrap().opt().is_none());
}

#[test]
fn large_answers_are_cut_by_udp_only() {
    let entries =
        (2..=250).map(|host| format!("name 10.87.1.{host} id{host} eth0 all\n")).collect::<String>();
    let head = FLATNET.split("name ").next().unwrap().to_owned();
    let text = head + &entries;
    let length = |is_tcp, size| {
        let question = message("all", Rtype::A, size);
        let Response::Answer(answer) = answers(files(&[&text]), is_tcp)(&question) else {
            panic!("not answered")
        };
        let message = Message::from_slice(&answer).unwrap();
        let count = message.answer().unwrap().flatten().count();
        (answer.len(), message.header().tc(), count, message.opt().is_some())
    };
    for (size, most) in [(None, 512), (Some(0), 512), (Some(1000), 1000), (Some(65_535), 1232)] {
        let (length, is_cut, count, has_opt) = length(false, size);
        assert!(length <= most && length + 16 > most - 11, "{length} of {most}");
        assert!(is_cut && count < 249 && has_opt == size.is_some());
    }
    for size in [None, Some(512)] {
        let (_, is_cut, count, _) = length(true, size);
        assert!(!is_cut && count == 249);
    }
}

/// What unbound 1.17 does, too.
#[test]
fn other_messages_are_refused_or_dropped() {
    let good = message("web", Rtype::A, Some(1232));
    let plain = message("web", Rtype::A, None);
    let changed = |bytes: &[u8], changes: &[(usize, u8)]| {
        let mut bytes = bytes.to_vec();
        for &(at, byte) in changes {
            bytes[at] = byte;
        }
        bytes
    };
    let opcode = |opcode: Opcode| changed(&good, &[(2, opcode.to_int() << 3)]);
    let end = plain.len();
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("nothing", Vec::new(), "Silence"),
        ("less than a header", plain[..11].to_vec(), "Silence"),
        ("an answer", changed(&good, &[(2, 0x80)]), "Silence"),
        ("a header alone", plain[..12].to_vec(), "FORMERR"),
        ("no question", changed(&plain, &[(5, 0)]), "FORMERR"),
        ("two questions", changed(&plain, &[(5, 2)]), "FORMERR"),
        ("cut short", plain[..end - 1].to_vec(), "FORMERR"),
        ("an OPT that is missing", changed(&plain, &[(11, 1)]), "FORMERR"),
        ("an OPT that is cut short", good[..good.len() - 1].to_vec(), "FORMERR"),
        ("more than any question needs", [&good[..good.len() - 2], &[16, 0], &[0; 4096]].concat(), "FORMERR"),
        ("something behind it", [&plain[..], &[0]].concat(), "FORMERR"),
        ("an answer in it", changed(&plain, &[(7, 1)]), "FORMERR"),
        ("three additional records", changed(&good, &[(11, 3)]), "FORMERR"),
        ("a name that points to itself", changed(&plain, &[(12, 0xc0), (13, 12)]), "FORMERR"),
        ("a name that points into the header", changed(&plain, &[(12, 0xc0), (13, 4)]), "FORMERR"),
        ("a name that points ahead", changed(&plain, &[(12, 0xc0), (13, 16)]), "FORMERR"),
        ("a label of an unknown kind", changed(&plain, &[(12, 0x80)]), "FORMERR"),
        ("a label that is too long", changed(&plain, &[(12, 63)]), "FORMERR"),
        (
            "OPT that is not at the root",
            [&plain[..11], &[1], &plain[12..], &[0xc0, 12, 0, 41, 4, 0, 0, 0, 0, 0, 0, 0]].concat(),
            "FORMERR",
        ),
        ("a question for OPT", message("web", Rtype::OPT, None), "FORMERR"),
        ("EDNS 1", changed(&good, &[(end + 6, 1)]), "NOERROR"),
        ("NOTIFY", opcode(Opcode::NOTIFY), "NOTIMP"),
        ("UPDATE", opcode(Opcode::UPDATE), "NOTIMP"),
        ("STATUS", opcode(Opcode::STATUS), "NOTIMP"),
        ("an unknown opcode", opcode(Opcode::from_int(15)), "NOTIMP"),
        ("class CH", changed(&plain, &[(end - 1, 3)]), "NOTIMP"),
        ("class ANY", changed(&plain, &[(end - 1, 255)]), "NOTIMP"),
        ("a transfer", message("direct.flatnet.internal", Rtype::AXFR, None), "NOTIMP"),
    ];
    for (what, bytes, wanted) in cases {
        let response = answers(files(&[FLATNET]), false)(&bytes);
        assert_eq!(shown(&response), wanted, "{what}");
        if let Response::Answer(answer) = response {
            assert_eq!(answer[..2], bytes[..2], "{what}");
            let opt = Message::from_slice(&answer).unwrap().opt_rcode().to_int();
            assert!(what != "EDNS 1" || opt == 16, "{what}: BADVERS is {opt}");
        }
    }
    let long = vec!["a"; 127].join(".");
    assert_eq!(ask(&[FLATNET], &long, Rtype::A), "Forward", "the longest name");
}

#[test]
fn dot_inside_a_label_is_not_one_between_labels() {
    let dotted = NamesFile::parse(&FLATNET.replace("Web", "a.b")).unwrap();
    let mut bytes = message("a-b.direct.flatnet.internal", Rtype::A, None);
    assert_eq!(
        shown(&answers(vec![dotted.clone()], false)(&message("a.b.direct.flatnet.internal", Rtype::A, None))),
        "NOERROR 10.87.1.2"
    );
    bytes[14] = b'.';
    assert_eq!(shown(&answers(vec![dotted], false)(&bytes)), "NXDOMAIN in direct.flatnet.internal.");
}
