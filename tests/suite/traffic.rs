//! A small internet inside a sandbox, and traffic through it over real sockets (`traffic.py`).
//!
//! ```text
//! inet 198.51.100.9 -- gw 192.168.50.1 --+-- stranger 192.168.50.66
//!                                        +-- 192.168.50.2 HOST 10.87.1.1 -- c2 c3 c4 (10.87.1.2 ..)
//!                                                         HOST 172.31.0.1 -- foreign 172.31.0.2
//! ```
//!
//! `stranger` is also another Flatnet host, with the container 10.87.2.5. `foreign` stands for anything else that this
//! host forwards for and that Flatnet must leave alone. The names are network namespaces; `""` is the host, which is
//! the sandbox's own namespace.

#![allow(
    clippy::panic,
    dead_code,
    reason = "a panic is a failed test; a vocabulary, of which not every word need be used"
)]

use serde_json::{Value, json};

use crate::frames;
use crate::sandbox::{Builder, Output, Sandbox};

/// The host.
pub(crate) const HOST: &str = "";

/// The result of a probe that is dropped.
pub(crate) const SILENCE: &str = "silence";

/// The result of a probe without a listener.
pub(crate) const REFUSED: &str = "connection refused";

const NETWORK: &str = r"
for name in sw gw stranger inet foreign; do ip netns add $name; ip -n $name link set lo up; done
ip -n sw link add name sw0 type bridge; ip -n sw link set sw0 up
ip link add name eth0 type veth peer name p-host netns sw
ip -n sw link set p-host master sw0 up; ip addr add 192.168.50.2/24 dev eth0; ip link set eth0 up
for pair in gw:192.168.50.1 stranger:192.168.50.66; do
    name=${pair%:*}
    ip link add name eth0 netns $name type veth peer name p-$name netns sw
    ip -n sw link set p-$name master sw0 up
    ip -n $name addr add ${pair#*:}/24 dev eth0; ip -n $name link set eth0 up
    ip -n $name route add 10.87.1.0/24 via 192.168.50.2; ip -n $name route add 172.31.0.0/24 via 192.168.50.2
done
ip link add name wan netns gw type veth peer name eth0 netns inet
ip -n gw addr add 198.51.100.1/24 dev wan; ip -n gw link set wan up
ip -n inet addr add 198.51.100.9/24 dev eth0; ip -n inet link set eth0 up
ip -n inet route add default via 198.51.100.1
ip -n stranger route add default via 192.168.50.1
ip netns exec gw sysctl -qw net.ipv4.ip_forward=1
ip route add default via 192.168.50.1
ip link add name fo0 type veth peer name eth0 netns foreign; ip addr add 172.31.0.1/24 dev fo0; ip link set fo0 up
ip -n foreign addr add 172.31.0.2/24 dev eth0; ip -n foreign link set eth0 up
ip -n foreign route add default via 172.31.0.1
ip -n stranger addr add 10.87.2.5/32 dev lo; ip route add 10.87.2.0/24 via 192.168.50.66
";

/// An `nft` whose check (`nft -c`) rejects every ruleset as one that the kernel cannot load. Flatnet then assumes a
/// kernel without `fib`, like WSL's before 6.6.114.
pub(crate) const NFT_WITHOUT_FIB: &str = "/usr/local/sbin/nft-without-fib";

/// Installs [`NFT_WITHOUT_FIB`].
pub(crate) fn install_nft_without_fib(sandbox: &Sandbox) {
    sandbox.write(
        NFT_WITHOUT_FIB,
        "#!/bin/sh
        if [ \"$1\" = -c ]; then
            echo '/dev/stdin:1:1-9: Error: Could not process rule: No such file or directory' >&2
            exit 1
        fi
        exec /usr/sbin/nft \"$@\"",
    );
    sandbox.sh(&format!("chmod 755 {NFT_WITHOUT_FIB}")).succeeds();
}

/// The small internet, with Flatnet on the host.
pub(crate) struct World {
    /// The sandbox; its own namespace is the host.
    pub(crate) sandbox: Sandbox,
}

/// A request and the result that it must have.
pub(crate) struct Probe {
    what: String,
    from: String,
    proto: &'static str,
    to: String,
    port: u16,
    source: Option<&'static str>,
    want: String,
}

/// The configuration of tests whose own server has the port of DNS: containers have no names.
pub(crate) const NAMELESS: &str = "names: {enabled: false}\n";

/// `want` is the server's name and the address that it sees (`c2 10.87.1.3`), [`SILENCE`] or [`REFUSED`].
pub(crate) fn probe(what: &str, from: &str, proto: &'static str, to: &str, port: u16, want: &str) -> Probe {
    Probe {
        what: what.to_owned(),
        from: from.to_owned(),
        proto,
        to: to.to_owned(),
        port,
        source: None,
        want: want.to_owned(),
    }
}

impl Probe {
    /// Whether the request goes to this address.
    pub(crate) fn is_to(&self, address: &str) -> bool {
        self.to == address
    }

    /// Sends the request from this address.
    pub(crate) fn source(mut self, address: &'static str) -> Self {
        self.source = Some(address);
        self
    }
}

impl World {
    /// The test network with this configuration, before Flatnet is up. The gateway may connect.
    pub(crate) fn new(builder: Builder, yaml: &str) -> Self {
        let sandbox = builder.start();
        sandbox.sh(NETWORK).succeeds();
        sandbox.write("/usr/local/bin/traffic.py", include_str!("traffic.py"));
        install_nft_without_fib(&sandbox);
        let world = Self { sandbox };
        world.configure(yaml);
        world
    }

    /// Runs a script on the host; it must succeed.
    #[track_caller]
    pub(crate) fn sh(&self, script: &str) -> String {
        self.sandbox.sh(script).succeeds().stdout
    }

    /// Writes the configuration.
    pub(crate) fn configure(&self, yaml: &str) {
        let text = format!("ingress_gateways: [192.168.50.1]\n{yaml}");
        self.sandbox.write("/etc/flatnet/flatnet.yaml", &text);
    }

    /// Sets `bridge-nf-call-iptables`, which decides whether bridged packets pass the IP hooks too.
    pub(crate) fn bridge_nf_call(&self, value: u8) {
        self.sandbox
            .sh("[ -e /proc/sys/net/bridge/bridge-nf-call-iptables ] || { echo 'run: modprobe br_netfilter' >&2; exit 1; }")
            .succeeds();
        let key = "net.bridge.bridge-nf-call";
        self.sandbox
            .sh(&format!("sysctl -qw {key}-iptables={value} {key}-ip6tables={value} {key}-arptables={value}"))
            .succeeds();
    }

    /// Attaches the namespace `name` by CNI, and makes it if it is missing; returns the container's address.
    #[track_caller]
    pub(crate) fn attach(&self, name: &str, ports: &Value) -> String {
        self.sh(&format!(
            "[ -e /run/netns/{name} ] || {{ ip netns add {name}; ip -n {name} link set lo up; }}"
        ));
        let output = self.cni("ADD", name, ports).succeeds();
        let result: Value =
            serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}\n{output}"));
        let address = result.pointer("/ips/0/address").and_then(Value::as_str).unwrap_or_default();
        address.trim_end_matches("/24").to_owned()
    }

    /// The host's end of the container's link.
    #[track_caller]
    pub(crate) fn port_of(&self, name: &str) -> String {
        let script = format!(
            "ip -j link show | jq -r '.[] | select((.ifalias // \"\") | test(\"/{name}(-id)?/\")) | .ifname'"
        );
        let port = self.sh(&script).trim().to_owned();
        assert!(!port.is_empty(), "no link has {name}'s alias");
        port
    }

    /// The MAC to which the container's kernel sends packets for others. On a routed link it is the link's own, which
    /// both ends have; on a port of the bridge it is the bridge's.
    #[track_caller]
    pub(crate) fn next_hop(&self, name: &str) -> frames::Mac {
        let link = self
            .sh(&format!("ip -j link show dev {} | jq -c '.[0] | [.address, .master]'", self.port_of(name)));
        let link: (String, Option<String>) =
            serde_json::from_str(&link).unwrap_or_else(|error| panic!("{error}: {link}"));
        frames::parse_mac(
            &link.1.map_or(link.0, |bridge| self.sh(&format!("cat /sys/class/net/{bridge}/address"))),
        )
    }

    /// Calls the plugin for the namespace `name`, as a runtime does.
    #[must_use]
    pub(crate) fn cni(&self, command: &str, name: &str, ports: &Value) -> Output {
        self.sandbox.sh(&cni_script(command, name, ports))
    }

    /// Starts servers for TCP and UDP: namespace, name in the answers, address, ports.
    pub(crate) fn serve(&self, servers: &[(&str, &str, &str, &[u16])]) {
        self.traffic("serve", &json!(servers));
    }

    /// Sends all probes in parallel.
    ///
    /// # Panics
    ///
    /// If results differ from the expected ones; the message names all that do.
    #[track_caller]
    pub(crate) fn ask(&self, world: &str, probes: &[Probe]) {
        let questions: Vec<Value> = probes
            .iter()
            .map(|probe| {
                // Only waiting shows a drop; an answer may take long on a busy machine.
                let seconds = if probe.want == SILENCE { 1.2 } else { 8.0 };
                json!([probe.from, probe.proto, probe.to, probe.port, seconds, probe.source])
            })
            .collect();
        let answers = self.traffic("ask", &json!(questions));
        let wrong: Vec<String> = probes
            .iter()
            .zip(answers.as_array().into_iter().flatten())
            .filter(|(probe, answer)| answer.as_str() != Some(&probe.want))
            .map(|(Probe { what, from, proto, to, port, want, .. }, answer)| {
                let from = if from.is_empty() { "host" } else { from };
                format!("{what}: {from} to {to}:{port}/{proto}: {answer}, and not {want:?}")
            })
            .collect();
        assert_eq!(answers.as_array().map(Vec::len), Some(probes.len()));
        assert!(
            wrong.is_empty(),
            "{world}: {} of {} are wrong:\n{}",
            wrong.len(),
            probes.len(),
            wrong.join("\n")
        );
    }

    /// Opens these TCP connections, runs a script and then asserts that each still carries data both ways; returns
    /// what each server said at first.
    pub(crate) fn hold(&self, connections: &[(&str, &str, u16)], script: &str) -> Vec<String> {
        let answer = self.traffic("hold", &json!({"connect": connections, "run": script}));
        serde_json::from_value(answer).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Sends raw frames from `eth0` of their namespaces, runs a script, and returns the frames that `eth0` of each
    /// namespace in `hear` received.
    pub(crate) fn wire(&self, hear: &[&str], send: &[(&str, Vec<u8>)], script: &str) -> Vec<Vec<Vec<u8>>> {
        let send: Vec<(&str, String)> = send.iter().map(|(netns, frame)| (*netns, to_hex(frame))).collect();
        let heard = self.traffic("wire", &json!({"hear": hear, "send": send, "run": script}));
        let heard: Vec<Vec<String>> = serde_json::from_value(heard).unwrap_or_else(|error| panic!("{error}"));
        heard.iter().map(|frames| frames.iter().map(|frame| from_hex(frame)).collect()).collect()
    }

    /// The kernel's handle of the table `inet flatnet`. It changes when the table is replaced.
    pub(crate) fn table_handle(&self) -> u64 {
        let tables: Value = serde_json::from_str(&self.sh("nft -j list tables")).unwrap_or_default();
        let mut tables =
            tables["nftables"].as_array().into_iter().flatten().filter_map(|object| object.get("table"));
        let table = tables.find(|table| table["family"] == "inet" && table["name"] == "flatnet");
        table
            .and_then(|table| table["handle"].as_u64())
            .unwrap_or_else(|| panic!("there is no table inet flatnet"))
    }

    /// The number of packets that the rules with this comment counted.
    pub(crate) fn counted(&self, comment: &str) -> u64 {
        let listed =
            self.sh("nft -j list table inet flatnet; nft -j list table arp flatnet 2>/dev/null || true");
        let packets = |rule: &Value| {
            let expr = rule.get("expr").and_then(Value::as_array).cloned().unwrap_or_default();
            expr.iter()
                .find_map(|one| one.pointer("/counter/packets").and_then(Value::as_u64))
                .unwrap_or_default()
        };
        let matching: Vec<u64> = listed
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .flat_map(|table| table["nftables"].as_array().cloned().unwrap_or_default())
            .filter_map(|object| object.get("rule").cloned())
            .filter(|rule| {
                rule.get("comment").and_then(Value::as_str).is_some_and(|text| text.contains(comment))
            })
            .map(|rule| packets(&rule))
            .collect();
        assert!(!matching.is_empty(), "no rule has a comment with {comment:?}");
        matching.iter().sum()
    }

    pub(crate) fn traffic(&self, verb: &str, input: &Value) -> Value {
        let output = self
            .sandbox
            .sh_with_stdin(&format!("/usr/bin/python3 /usr/local/bin/traffic.py {verb}"), &input.to_string());
        let output = output.succeeds();
        serde_json::from_str(&output.stdout).unwrap_or(Value::Null)
    }
}

/// A script that calls the plugin for the namespace `name`.
pub(crate) fn cni_script(command: &str, name: &str, ports: &Value) -> String {
    let conf = json!({
        "cniVersion": "1.0.0", "name": "flatnet", "type": "flatnet", "runtimeConfig": {"portMappings": ports},
    });
    format!(
        "CNI_COMMAND={command} CNI_CONTAINERID={name}-id CNI_NETNS=/run/netns/{name} CNI_IFNAME=eth0 \
         CNI_ARGS='IgnoreUnknown=1;K8S_POD_NAME={name}' CNI_PATH=/usr/local/bin flatnet <<<'{conf}'"
    )
}

pub(crate) fn to_hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or_default();
    bytes.iter().flat_map(|&byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

pub(crate) fn from_hex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks(2).filter_map(|pair| std::str::from_utf8(pair).ok());
    pairs.filter_map(|pair| u8::from_str_radix(pair, 16).ok()).collect()
}
