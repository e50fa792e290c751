//! The doctor's checks of Podman and its plugin configuration, and those that need a real container.

use crate::doctor::{Break, Mend, each_is_found_and_mended};
use crate::podman::{Flavour, Lab, on_both};
use crate::sandbox::Sandbox;

on_both!(podman_problems_are_found_and_fixed,);

/// Problems that both versions of Podman can have.
pub(crate) const BREAKS: &[Break] = &[
    Break::new(
        "podman-backend",
        "failure",
        "echo nonsense >>/etc/containers/containers.conf",
        "Podman is not working: `podman info --format json` exited with",
        Mend::ByHand("sed -i /nonsense/d /etc/containers/containers.conf"),
    ),
    Break::new(
        "podman-subnets",
        "failure",
        "podman network create --subnet 10.87.9.0/24 other",
        "Podman's network other has 10.87.9.0/24",
        Mend::Printed,
    ),
    Break::new(
        "plugin",
        "failure",
        "rm /opt/cni/bin/flatnet /usr/local/libexec/netavark/flatnet",
        "the plugin /",
        Mend::Fix,
    ),
    Break::new(
        "plugin",
        "failure",
        "ln -sfn /bin/true /opt/cni/bin/flatnet; ln -sfn /bin/true /usr/local/libexec/netavark/flatnet",
        "Podman calls /usr/bin/true, but this is /usr/local/bin/flatnet",
        Mend::Printed,
    ),
];

/// Problems of Podman 4, and some that do not depend on the version.
pub(crate) const CNI: &[Break] = &[
    Break::new(
        "podman-network",
        "failure",
        "sed -i 's,/etc/cni/net.d,/etc/cni/other.d,' /etc/containers/containers.conf",
        "Podman does not list the network flatnet",
        Mend::ByHand("sed -i 's,/etc/cni/other.d,/etc/cni/net.d,' /etc/containers/containers.conf"),
    ),
    Break::new(
        "conflist",
        "failure",
        "rm /etc/cni/net.d/flatnet.conflist",
        "/etc/cni/net.d/flatnet.conflist is missing",
        Mend::Printed,
    )
    .also(&["podman-files"]),
    Break::new(
        "conflist",
        "failure",
        "sed -i 's/\"ips\": true/\"ips\": false/' /etc/cni/net.d/flatnet.conflist",
        "plugins/0/capabilities/ips is false, but must be true",
        Mend::Printed,
    ),
    Break::new(
        "conflist",
        "failure",
        "sed -i s,/etc/flatnet/flatnet.yaml,/etc/old.yaml, /etc/cni/net.d/flatnet.conflist",
        "plugins/0/config is \"/etc/old.yaml\"",
        Mend::Fix,
    ),
    Break::new(
        "plugin",
        "failure",
        "chmod 777 /usr/local/bin/flatnet",
        "/usr/local/bin/flatnet is writable by users other than root",
        Mend::Printed,
    ),
    Break::new(
        "plugin",
        "failure",
        "ln -sfn /nowhere /opt/cni/bin/flatnet",
        "is a dangling link",
        Mend::Printed,
    ),
    Break::new(
        "podman-subnets",
        "warning",
        "mkdir -p /etc/containers/containers.conf.d; printf '[network]\ndefault_subnet_pools = [{\"base\" = \"10.80.0.0/12\", \"size\" = 24}]\n' >/etc/containers/containers.conf.d/pools.conf",
        "Podman may assign new networks subnets of 10.80.0.0/12",
        Mend::ByHand("rm /etc/containers/containers.conf.d/pools.conf"),
    ),
    Break::new(
        "mtu",
        "warning",
        "ip -n $(basename $(inside)) link set eth0 mtu 1400; ip link set $(ip -br link show type veth | grep -o ^fn[0-9a-f]*) mtu 1400",
        "its link has MTU 1400, but the bridge has 1500",
        Mend::Printed,
    )
    .also(&["container-links"]),
    Break::new(
        "mtu",
        "warning",
        "sed -i '/^mtu:/d' /etc/flatnet/flatnet.yaml; echo 'mtu: 1400' >>/etc/flatnet/flatnet.yaml; flatnet up",
        "its link has MTU 1500, but the bridge has 1400",
        Mend::Printed,
    )
    .also(&["container-links"]),
    Break::new(
        "reachable",
        "failure",
        "ip -n $(basename $(inside)) link set eth0 address 02:00:00:00:00:09",
        "failed at the container's end: missing: ip -n",
        Mend::Printed,
    )
    .also(&["container-links"]),
    Break::new(
        "reachable",
        "failure",
        "ip -n $(basename $(inside)) link set eth0 down",
        "failed at the link",
        Mend::Printed,
    )
    .also(&["container-links"]),
    Break::new(
        "podman-files",
        "failure",
        "podman rm -f -t 0 web; podman network prune -f",
        "/etc/cni/net.d/flatnet.conflist was deleted; it defines the network for Podman",
        Mend::Printed,
    )
    .also(&["conflist"]),
];

/// Problems of Podman 5.
pub(crate) const NETAVARK: &[Break] = &[
    Break::new(
        "podman-backend",
        "failure",
        "sed -i 's,^netavark_plugin_dirs.*,netavark_plugin_dirs = [\"/usr/libexec/netavark\"],' /etc/containers/containers.conf",
        "uses netavark and does not find the plugin",
        Mend::Printed,
    ),
    Break::new(
        "podman-network",
        "failure",
        "podman rm -f -t 0 web; podman network rm flatnet",
        "Podman does not list the network flatnet",
        Mend::Printed,
    )
    .also(&["podman-files"]),
    Break::new(
        "podman-files",
        "failure",
        "podman rm -f -t 0 web; podman system prune -f",
        "/etc/containers/networks/flatnet.json was deleted; it defines the network for Podman",
        Mend::Printed,
    )
    .also(&["podman-network"]),
    Break::new(
        "podman-network",
        "failure",
        "podman network rm flatnet; podman network create flatnet",
        "Podman's network flatnet has the driver bridge",
        Mend::Printed,
    ),
    Break::new(
        "podman-network",
        "warning",
        "podman network rm flatnet; printf 'subnet: 10.87.1.0/25\n' >/root/half.yaml; podman network create -d flatnet -o config=/root/half.yaml flatnet",
        "Podman has flatnet as 10.87.1.0/25 with gateway 10.87.1.1",
        Mend::Printed,
    ),
];

fn podman_problems_are_found_and_fixed(lab: &Lab) {
    lab.run("web", "-p 8080:80");
    lab.sandbox.write(
        "/usr/local/bin/inside",
        "#!/bin/sh\npodman inspect web --format '{{.NetworkSettings.SandboxKey}}'\n",
    );
    lab.sh("chmod 755 /usr/local/bin/inside").succeeds();
    each_is_found_and_mended(&lab.sandbox, BREAKS);
    each_is_found_and_mended(&lab.sandbox, if lab.flavour == Flavour::Cni { CNI } else { NETAVARK });
}

/// The time limit for Podman is `limits.command_seconds`, but at least 30 s.
#[test]
fn podman_may_take_as_long_as_the_configuration_says() {
    let sandbox = Sandbox::podman4().start();
    sandbox
        .sh("flatnet init; cp -L /usr/bin/podman /opt/podman
             printf '#!/bin/sh\\n[ \"$1\" != info ] || sleep 31\\nexec /opt/podman \"$@\"\\n' >/run/podman
             chmod 755 /run/podman; mount --bind /run/podman /usr/bin/podman")
        .succeeds();
    let ask = "{ flatnet doctor --json || true; } | jq -r '.findings[] | select(.id == \"podman-backend\") | .what'";
    sandbox.sh(ask).prints("`podman info --format json` was killed after 30 s");
    sandbox
        .sh("sed -i 's/^  command_seconds: 10$/  command_seconds: 300/' /etc/flatnet/flatnet.yaml")
        .succeeds();
    sandbox.sh(ask).prints("Podman 4");
}
