//! The doctor's check of other programs' rules: each rule is reported in its program's syntax, and the printed commands let
//! containers' packets pass.

use crate::doctor::{Break, Mend, each_is_found_and_mended, well};

/// Before each problem the container reaches the outside and a gateway reaches the container (`through`). After it,
/// neither works (`! out; ! into`).
pub(crate) const BREAKS: &[Break] = &[
    Break::new(
        "foreign-drops",
        "failure",
        "through; iptables -P FORWARD DROP; ! out; ! into",
        "chain FORWARD of table ip filter drops forwarded packets of containers, by its policy",
        Mend::Printed,
    ),
    Break::new(
        "foreign-drops",
        "failure",
        "through; iptables -P FORWARD ACCEPT; iptables -F FORWARD; iptables -A FORWARD -i fn+ -o lan0 -j REJECT; ! out; ! into",
        "by the rule `",
        Mend::Printed,
    ),
    Break::new(
        "foreign-drops",
        "failure",
        "through; iptables -F FORWARD; iptables -P FORWARD ACCEPT; iptables-restore --noflush <docker; ! out; ! into",
        "by its policy",
        Mend::Printed,
    ),
    Break::new(
        "foreign-drops",
        "failure",
        "through; nft flush ruleset ip; iptables-legacy -P FORWARD DROP; ! out; ! into",
        "chain FORWARD of iptables-legacy drops forwarded packets of containers, by its policy",
        Mend::Printed,
    ),
    Break::new(
        "foreign-drops",
        "failure",
        "through; iptables-legacy -F FORWARD; iptables-legacy -P FORWARD ACCEPT; iptables-legacy -A FORWARD -s 10.87.0.0/16 -j DROP; ! out; ! into",
        "by the rule `-A FORWARD -s 10.87.0.0/16 -j DROP`",
        Mend::Printed,
    ),
    Break::new(
        "foreign-drops",
        "failure",
        "through; iptables-legacy -F FORWARD; iptables-legacy-restore --noflush <docker; ! out; ! into",
        "by its policy",
        Mend::Printed,
    ),
    Break::new(
        "foreign-drops",
        "failure",
        "through; nft 'add table inet fw; add chain inet fw f { type filter hook forward priority 5; policy drop; }; add rule inet fw f ct state established accept'; ! out; ! into",
        "chain f of table inet fw drops",
        Mend::Printed,
    ),
    Break::new(
        "foreign-drops",
        "failure",
        "through; nft 'flush chain inet fw f; add chain inet fw f { policy accept; }; add rule inet fw f tcp dport 22 accept; add rule inet fw f reject'; ! out; ! into",
        "by the rule `reject`",
        Mend::Printed,
    ),
];

/// The filter table that Docker 28 creates, with one network of Docker's.
const DOCKER: &str = "*filter
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:DOCKER-BRIDGE - [0:0]
:DOCKER-CT - [0:0]
:DOCKER-FORWARD - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
:DOCKER-ISOLATION-STAGE-2 - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-FORWARD
-A DOCKER ! -i docker0 -o docker0 -j DROP
-A DOCKER-BRIDGE -o docker0 -j DOCKER
-A DOCKER-CT -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A DOCKER-FORWARD -j DOCKER-CT
-A DOCKER-FORWARD -j DOCKER-ISOLATION-STAGE-1
-A DOCKER-FORWARD -j DOCKER-BRIDGE
-A DOCKER-FORWARD -i docker0 -j ACCEPT
-A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2
-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP
COMMIT
";

#[test]
fn foreign_drops_are_found_and_fixed() {
    let sandbox = well("ingress_gateways: [192.168.77.1]\n");
    sandbox.write("docker", DOCKER);
    for (name, from, to) in [("out", "c1", "192.168.77.1"), ("into", "lan0", "10.87.1.2")] {
        let ping = format!("#!/bin/sh\nexec ip netns exec {from} ping -c 1 -W 0.5 {to} >&2\n");
        sandbox.write(&format!("/usr/local/bin/{name}"), &ping);
    }
    sandbox.write("/usr/local/bin/through", "#!/bin/sh\nout && into\n");
    sandbox.sh("chmod 755 /usr/local/bin/{out,into,through}; container add c1; ip -n lan0 route add 10.87.1.0/24 via 192.168.77.10").succeeds();
    each_is_found_and_mended(&sandbox, BREAKS);
    sandbox.sh("through").succeeds();
}

#[test]
fn fix_leaves_foreign_rules_unchanged() {
    let sandbox = well("");
    let script = "nft 'add table ip fw; add chain ip fw f { type filter hook forward priority 5; policy drop; }'
        nft list table ip fw >before; flatnet doctor --fix --yes || status=$?; nft list table ip fw | diff before -
        exit $status";
    sandbox.sh(script).exits_with(2);
}
