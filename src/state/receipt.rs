//! Receipts: what was run for one attachment, and how to undo it.
//!
//! A receipt is written before the first command runs. Its file holds JSON lines: the receipt, then its
//! [`Event`]s. A line torn by a crash is skipped.

use std::net::Ipv4Addr;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::command::Command;
use crate::model::desired::{Attached, elements};
use crate::model::plan::{FlowFilter, LinkAttribute, Op, Plan, Step, TableElement};
use crate::model::types::{
    Addresses, AttachmentId, Caller, IfName, Mac, NetnsId, NetnsPath, NetworkName, PortMapping, PortMode,
    TableName,
};
use crate::state::checksum;
use crate::state::lease::Claim;

/// The format version that this Flatnet writes. It reads any version, since [`Receipt::undo`] holds plain commands.
pub const VERSION: u32 = 2;
/// The outcome of a complete ADD.
pub const ATTACHED: &str = "attached";
/// The event of an ADD that ended before the host link carried packets.
pub const NOT_READY: &str = "link not up yet";
/// The outcome of the event that begins DEL.
pub const LEAVING: &str = "leaving";
/// The suffix of a receipt's file.
pub const SUFFIX: &str = ".json";

/// One attachment, with the commands that made it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Format version.
    pub version: u32,
    /// Version of the Flatnet that wrote it.
    pub flatnet: String,
    /// The network.
    pub network: NetworkName,
    /// The attachment.
    #[serde(flatten)]
    pub id: AttachmentId,
    /// The container's or pod's name; empty where unknown.
    #[serde(default)]
    pub name: String,
    /// The container's other names on this network.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Its addresses, with the subnet's prefix length.
    #[serde(flatten, with = "written_addresses")]
    pub addresses: Addresses,
    /// Its MAC.
    pub mac: Mac,
    /// The host's end of its veth pair.
    pub host_link: IfName,
    /// How the host's end is attached; see [`Receipt::mode`].
    #[serde(default)]
    pub mode: Option<PortMode>,
    /// Its network namespace.
    pub netns: NetnsPath,
    /// The namespace's device and inode.
    pub netns_id: NetnsId,
    /// Its published ports.
    #[serde(default)]
    pub ports: Vec<PortMapping>,
    /// The kernel's boot ID at that time.
    pub boot_id: String,
    /// When it was made: milliseconds since 1970.
    pub created: i64,
    /// Its routes: the default route, or only Flatnet's range.
    #[serde(default)]
    pub default_route: bool,
    /// Who asked for it.
    #[serde(default, skip_serializing_if = "Caller::is_root")]
    pub caller: Caller,
    /// The planned steps with reasons. Empty if a later version wrote steps unknown to this one.
    #[serde(default, deserialize_with = "known_steps")]
    pub steps: Vec<Step>,
    /// The commands, as they ran.
    #[serde(default)]
    pub commands: Vec<Command>,
    /// The commands that undo it, in order.
    pub undo: Vec<Command>,
}

/// An event of an attachment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Milliseconds since 1970.
    pub at: i64,
    /// The command's index in [`Receipt::commands`], if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<usize>,
    /// How long it took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub milliseconds: Option<f64>,
    /// `ok`, `attached`, `leaving`, or an error.
    pub outcome: String,
}

impl Event {
    /// An event of the attachment as a whole, now.
    #[must_use]
    pub fn of_attachment(outcome: &str) -> Self {
        let at = jiff::Timestamp::now().as_millisecond();
        Self { at, command: None, milliseconds: None, outcome: outcome.to_owned() }
    }
}

/// Whether ADD completed.
#[must_use]
pub fn is_attached(events: &[Event]) -> bool {
    events.iter().any(|event| event.outcome == ATTACHED)
}

/// Whether DEL has begun.
#[must_use]
pub fn is_leaving(events: &[Event]) -> bool {
    events.iter().any(|event| event.outcome == LEAVING)
}

impl Receipt {
    /// The path of its network namespace on this host. A user's has none: only the user's own processes see it, and what root
    /// would find at a path of theirs is up to them.
    #[must_use]
    pub fn netns_here(&self) -> Option<&NetnsPath> {
        self.caller.is_root().then_some(&self.netns)
    }

    /// The attachment's elements in the tables, whichever version wrote the receipt.
    #[must_use]
    pub fn elements(&self, table: &TableName) -> Vec<TableElement> {
        elements(self.mode(), &self.host_link, self.mac, &self.addresses, &self.ports)
            .map(|element| TableElement {
                table: table.clone(),
                element,
                container_id: self.id.container_id.clone(),
            })
            .collect()
    }

    /// How the host's end is attached. Flatnet 0.1.0 made only ports of the bridge; its receipts' steps say
    /// whether they were isolated.
    #[must_use]
    pub fn mode(&self) -> PortMode {
        let isolating =
            |step: &Step| matches!(step.op, Op::LinkSet { attribute: LinkAttribute::Isolated(true), .. });
        let of_0_1_0 = || if self.steps.iter().any(isolating) { PortMode::Isolated } else { PortMode::Plain };
        self.mode.unwrap_or_else(of_0_1_0)
    }

    /// Its IPv4 address.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        self.addresses.ipv4()
    }

    /// The conntrack entries of its addresses.
    pub fn flows(&self) -> impl Iterator<Item = FlowFilter> + '_ {
        self.addresses.iter().flat_map(FlowFilter::of_address)
    }

    /// The container's name in messages.
    #[must_use]
    pub fn label(&self) -> String {
        self.id.label(&self.name)
    }

    /// The claim to the receipt's addresses.
    #[must_use]
    pub fn claim(&self) -> Claim<'_> {
        // Only a lease knows whether the address was requested, and whether the container is Podman's.
        Claim {
            id: &self.id,
            name: &self.name,
            requested: None,
            of_podman: false,
            most: None,
            now: self.created,
        }
    }

    /// The first of `ports` that the attachment already publishes.
    #[must_use]
    pub fn port_in_the_way_of<'a>(&self, ports: &'a [PortMapping]) -> Option<&'a PortMapping> {
        ports.iter().find(|port| self.ports.iter().any(|held| held.clashes_with(port)))
    }

    /// The operations that undo it, last first; empty if a later version wrote it.
    #[must_use]
    pub fn undo_ops(&self) -> Vec<Op> {
        Plan { steps: self.steps.clone() }.undo()
    }
}

/// What this host's state needs to know of the attachments of `receipts`, whose elements are in `table`.
#[must_use]
pub fn attached(receipts: &[Receipt], table: &TableName) -> Attached {
    Attached {
        modes: receipts.iter().map(|receipt| (receipt.host_link.clone(), receipt.mode())).collect(),
        elements: receipts.iter().flat_map(|receipt| receipt.elements(table)).collect(),
    }
}

/// Parses a receipt's file into the receipt and its events.
pub fn parse(bytes: &[u8]) -> Result<(Receipt, Vec<Event>), serde_json::Error> {
    let mut lines = bytes.split(|&byte| byte == b'\n');
    let receipt = checksum::from_line(lines.next().unwrap_or_default())?;
    Ok((receipt, lines.filter_map(|line| serde_json::from_slice(line).ok()).collect()))
}

/// A value as one line of JSON.
pub fn to_line(value: &impl Serialize) -> Result<String, serde_json::Error> {
    serde_json::to_string(value).map(|text| text + "\n")
}

/// The addresses as they are written: as the list `addresses` and, for versions before it, the first one as `address`,
/// which this version reads if there is no list.
mod written_addresses {
    use super::{Addresses, Deserialize, Deserializer, IpNet, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Written {
        #[serde(default)]
        address: Option<IpNet>,
        #[serde(default)]
        addresses: Option<Vec<IpNet>>,
    }

    pub(super) fn serialize<S: Serializer>(addresses: &Addresses, serializer: S) -> Result<S::Ok, S::Error> {
        let list: Vec<IpNet> = addresses.nets().collect();
        Written { address: list.first().copied(), addresses: Some(list) }.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Addresses, D::Error> {
        let Written { address, addresses } = Written::deserialize(deserializer)?;
        let list = addresses.unwrap_or_else(|| address.into_iter().collect());
        Addresses::try_from(list).map_err(serde::de::Error::custom)
    }
}

fn known_steps<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Step>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::render;
    use crate::kernel::tools::Tools;
    use crate::model::plan::Element;

    fn of_0_1_0() -> Receipt {
        parse(include_bytes!("../../tests/captured/flatnet-first/receipt.json")).unwrap().0
    }

    #[test]
    fn mode_of_0_1_0_receipt_is_derived_from_steps() {
        let isolated = of_0_1_0();
        assert_eq!((isolated.version, isolated.mode, isolated.mode()), (1, None, PortMode::Isolated));
        let isolating =
            |step: &Step| matches!(step.op, Op::LinkSet { attribute: LinkAttribute::Isolated(_), .. });
        let mut plain = isolated.clone();
        plain.steps.retain(|step| !isolating(step));
        assert_eq!(plain.steps.len() + 1, isolated.steps.len());
        assert_eq!(plain.mode(), PortMode::Plain);
        for mode in [PortMode::Routed, PortMode::Plain] {
            assert_eq!(
                Receipt { mode: Some(mode), ..isolated.clone() }.mode(),
                mode,
                "what it says comes first"
            );
        }
    }

    /// Its set `bindings` held MACs; one of that name holds links now, and would refuse them.
    #[test]
    fn undo_of_0_1_0_receipt_uses_frame_bindings() {
        let receipt = of_0_1_0();
        let text = render::commands(&receipt.undo_ops(), &Tools::default())
            .iter()
            .map(|one| one.command.to_string() + "\n")
            .collect::<String>();
        assert!(
            text.contains("delete element inet flatnet frame_bindings { 02:f1:0a:57:01:02 . 10.87.1.2 }\n"),
            "{text}"
        );
        assert!(
            text.contains("delete element arp flatnet bindings { 02:f1:0a:57:01:02 . 10.87.1.2 }\n"),
            "{text}"
        );
        assert!(text.contains("ip link del dev fn2f9200b4c79d\n"), "{text}");
        assert!(!text.contains("inet flatnet bindings"), "{text}");
    }

    #[test]
    fn receipt_elements_depend_on_mode() {
        let old = of_0_1_0();
        let table = old.network.table();
        let elements = |receipt: &Receipt| -> Vec<Element> {
            receipt.elements(&table).into_iter().map(|element| element.element).collect()
        };
        let (mac, ipv4) = (old.mac, old.address());
        let address = ipv4.into();
        let published = Element::Published { port: old.ports[0], address };
        let frame = [Element::FrameBinding { mac, address }, Element::ArpBinding { mac, address: ipv4 }];
        assert_eq!(elements(&old), [&frame[..], std::slice::from_ref(&published)].concat());
        let routed = Receipt { mode: Some(PortMode::Routed), ..old.clone() };
        assert_eq!(elements(&routed), [Element::Binding { dev: old.host_link.clone(), address }, published]);
    }

    /// One that has only the list, as a later version writes, and one that has only the first address.
    #[test]
    fn addresses_are_written_as_list_and_first_and_read_as_either() {
        let old = of_0_1_0();
        let mut written = serde_json::to_value(&old).unwrap();
        assert_eq!(written["address"], "10.87.1.2/24");
        assert_eq!(written["addresses"], serde_json::json!(["10.87.1.2/24"]));
        let read = |value: &serde_json::Value| serde_json::from_value::<Receipt>(value.clone());
        let without = |key: &str| {
            let mut written = written.clone();
            written.as_object_mut().unwrap().remove(key);
            written
        };
        assert_eq!(read(&without("addresses")).unwrap(), old);
        assert_eq!(read(&without("address")).unwrap(), old);
        written["addresses"] = serde_json::json!(["10.87.1.2/24", "fd00::2/128"]);
        let both = read(&written).unwrap();
        assert_eq!(both.addresses.to_string(), "10.87.1.2/24, fd00::2/128");
        assert_eq!(serde_json::to_value(&both).unwrap(), written);
        written["addresses"] = serde_json::json!([]);
        assert!(read(&written).unwrap_err().to_string().contains("no IPv4 address"));
    }

    #[test]
    fn caller_is_written_unless_it_is_root() {
        let root = of_0_1_0();
        assert_eq!(root.caller, Caller::Root);
        assert_eq!(serde_json::to_value(&root).unwrap().get("caller"), None);
        let caller = Caller::User(1000.try_into().unwrap());
        let line = checksum::to_line(&Receipt { caller, ..root }).unwrap();
        assert!(line.contains(r#""caller":{"user":1000}"#), "{line}");
        assert_eq!(parse(line.as_bytes()).unwrap().0.caller, caller);
    }

    /// ARP and MAC are IPv4's; the rest is once for each address.
    #[test]
    fn elements_of_two_families() {
        let mut receipt = of_0_1_0();
        let ipv6: IpNet = "fd00::2/128".parse().unwrap();
        let nets: Vec<IpNet> = receipt.addresses.nets().chain([ipv6]).collect();
        receipt.addresses = nets.try_into().unwrap();
        receipt.ports[0].host_ip = Some("192.0.2.1".parse().unwrap());
        let (mac, ipv4) = (receipt.mac, receipt.address());
        let found: Vec<Element> =
            receipt.elements(&receipt.network.table()).into_iter().map(|element| element.element).collect();
        let expected = [
            Element::FrameBinding { mac, address: ipv4.into() },
            Element::FrameBinding { mac, address: ipv6.addr() },
            Element::ArpBinding { mac, address: ipv4 },
            Element::Published { port: receipt.ports[0], address: ipv4.into() },
        ];
        assert_eq!(found, expected, "a port at an IPv4 address leads to IPv4 only");
        assert_eq!(receipt.flows().count(), 4);
    }

    #[test]
    fn receipt_round_trips() {
        let receipt = Receipt { mode: Some(PortMode::Routed), version: VERSION, ..of_0_1_0() };
        let line = checksum::to_line(&receipt).unwrap();
        assert_eq!(parse(line.as_bytes()).unwrap(), (receipt, Vec::new()));
    }
}
