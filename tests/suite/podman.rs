//! The base of all tests with a real Podman: a host with Flatnet, and its neighbours.
//!
//! The two Podmans call Flatnet by different protocols, and the result must be the same. A scenario is a function over
//! a [`Lab`]; [`on_both`] makes one test of it for Podman 4 (CNI) and one for Podman 5 (netavark).

#![allow(clippy::panic, dead_code, reason = "a panic is a failed test; this is a vocabulary")]

use crate::sandbox::{Builder, Output, Sandbox};
use crate::world::World;

/// The version of Podman, and so the face of Flatnet that it calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavour {
    /// Podman 4, which calls Flatnet as CNI plugin.
    Cni,
    /// Podman 5, which calls Flatnet as netavark plugin.
    Netavark,
}

/// Makes two tests of each scenario: one for each [`Flavour`].
macro_rules! on_both {
    ($($scenario:ident),+ $(,)?) => {
        mod podman4 {
            $(#[test] fn $scenario() { super::$scenario(&crate::podman::Lab::start(crate::podman::Flavour::Cni)); })+
        }
        mod podman5 {
            $(#[test] fn $scenario() { super::$scenario(&crate::podman::Lab::start(crate::podman::Flavour::Netavark)); })+
        }
    };
}
pub(crate) use on_both;

/// The image of all containers here: a web server on port 80, whose /cgi-bin/who prints the client's address.
pub(crate) const IMAGE: &str = "flatnet-test/busybox";
/// Options for nginx in place of `OpenResty` on Windows, which has Lua built in and whose configuration loads no module.
pub(crate) const LUA_MODULES: &str = "-g 'load_module /usr/lib/nginx/modules/ndk_http_module.so; load_module /usr/lib/nginx/modules/ngx_http_lua_module.so;'";
/// The host's address towards Windows.
pub(crate) const LAN_ADDRESS: &str = "192.168.77.10";
/// Windows' address: the next hop of the default route, and an ingress gateway of the configuration.
pub(crate) const WINDOWS: &str = "192.168.77.1";
/// The address of another host on a network of this host.
pub(crate) const STRANGER: &str = "192.168.88.66";

/// The configuration of a [`Lab`].
pub(crate) const YAML: &str = "\
ingress_gateways: [192.168.77.1]
dns:
  search: [flat.test]
";

/// A host with Flatnet, and two neighbours: Windows and a stranger. Both have a route to the flat addresses.
///
/// Both networks have been used once, so that the bridges and Podman's firewall rules of a first container exist.
#[derive(Debug)]
pub(crate) struct Lab {
    pub(crate) sandbox: Sandbox,
    pub(crate) flavour: Flavour,
    /// The world of the host without containers.
    empty: World,
}

impl Lab {
    /// Sets up everything as an operator does: `flatnet init`, for Podman 5 `podman network create`, `flatnet up`.
    pub(crate) fn start(flavour: Flavour) -> Self {
        let builder = match flavour {
            Flavour::Cni => Sandbox::podman4(),
            Flavour::Netavark => Sandbox::trixie(),
        };
        Self::start_in(builder, flavour)
    }

    /// Does the same in the sandbox of `builder`, which may contain more.
    pub(crate) fn start_in(builder: Builder, flavour: Flavour) -> Self {
        let sandbox = builder.image("busybox").start();
        sandbox.sh(NEIGHBOURS).succeeds();
        sandbox.write("/etc/flatnet/flatnet.yaml", YAML);
        sandbox.sh("flatnet init").succeeds();
        let podman = sandbox.sh("podman --version").succeeds().stdout;
        match flavour {
            Flavour::Cni => assert!(podman.contains(" 4."), "this machine's Podman has no CNI: {podman}"),
            Flavour::Netavark => drop(sandbox.sh("podman network create -d flatnet flatnet").succeeds()),
        }
        sandbox.sh("flatnet up").succeeds();
        sandbox
            .sh(&format!("podman run --rm --network podman -p 8080:80 {IMAGE} true; podman run --rm --network flatnet {IMAGE} true"))
            .succeeds();
        // Podman cleans up after an ended container even after `podman run` has returned.
        sandbox.eventually("! pgrep -x 'conmon|podman' >/dev/null");
        sandbox.eventually(NO_PORT_LEFT);
        name_server(&sandbox, "ip netns exec windows", "192.0.2.53");
        let empty = World::of(&sandbox);
        Self { sandbox, flavour, empty }
    }

    /// Runs a script on the host.
    #[must_use = "an unchecked outcome tests nothing"]
    pub(crate) fn sh(&self, script: &str) -> Output {
        self.sandbox.sh(script)
    }

    /// `podman run -d --name NAME --network flatnet OPTIONS`; returns its address.
    #[track_caller]
    pub(crate) fn run(&self, name: &str, options: &str) -> String {
        self.try_run(name, options).succeeds();
        self.address(name)
    }

    /// Runs `podman run` like [`Lab::run`], but the caller checks whether it succeeded.
    #[must_use = "an unchecked outcome tests nothing"]
    pub(crate) fn try_run(&self, name: &str, options: &str) -> Output {
        self.sh(&format!("podman run -d --name {name} --network flatnet {options} {IMAGE}"))
    }

    /// A container's flat address according to `podman inspect`.
    #[track_caller]
    pub(crate) fn address(&self, name: &str) -> String {
        let format = "{{.NetworkSettings.Networks.flatnet.IPAddress}}";
        let address = self
            .sh(&format!("podman inspect {name} --format '{format}'"))
            .succeeds()
            .stdout
            .trim()
            .to_owned();
        assert!(
            address.starts_with("10.87.1."),
            "podman inspect {name} knows no flat address: \"{address}\""
        );
        address
    }

    /// Asserts that the web server at `address` answers the host, which it sees as `client`.
    #[track_caller]
    pub(crate) fn answers(&self, address: &str, client: &str) {
        self.answers_in("", address, client);
    }

    /// Asserts the same for a client behind `prefix`, such as `ip netns exec windows`.
    #[track_caller]
    pub(crate) fn answers_in(&self, prefix: &str, address: &str, client: &str) {
        let output = self.sandbox.eventually(&format!("{prefix} curl -sS -m 5 http://{address}/cgi-bin/who"));
        assert_eq!(
            output.stdout.split_whitespace().nth(1),
            Some(client),
            "seen with another address\n{output}"
        );
    }

    /// Removes all containers.
    #[track_caller]
    pub(crate) fn remove_all(&self) {
        self.sh("podman rm --all --force --time 0").succeeds();
    }

    /// Asserts that this host is as before the first container: no link, rule, held address, receipt, lock or process
    /// is left.
    #[track_caller]
    pub(crate) fn nothing_left(&self) {
        self.sandbox.eventually(NO_PORT_LEFT);
        self.empty.assert_is_back(&self.sandbox);
    }
}

/// Starts a name server on port 53 of `address`, on the host or behind `prefix`.
pub(crate) fn name_server(sandbox: &Sandbox, prefix: &str, address: &str) {
    let command = format!("perl /usr/local/lib/flatnet-test/name_server.pl {address}");
    let listens = format!("{prefix} ss -Hlnu | grep ' {address}:53 ' >/dev/null");
    sandbox
        .sh(&format!(
            "setsid {prefix} {command} >/dev/null 2>&1 </dev/null & until {listens}; do kill -0 $!; sleep 0.05; done"
        ))
        .succeeds();
}

/// The kernel notices with a delay, on a busy machine of seconds, that a bridge's last port is gone.
const NO_PORT_LEFT: &str = "! ip -o link show type bridge | grep -v NO-CARRIER";

/// Two links lead out of the host, one to each neighbour. Windows has the name server of a sandbox's resolv.conf.
///
/// Link-local IPv6 is off: its addresses become valid later than everything else. Bridged packets pass the IP hooks, as
/// on WSL2.
const NEIGHBOURS: &str = "
echo 1 >/proc/sys/net/ipv6/conf/default/addr_gen_mode
[ ! -e /proc/sys/net/bridge ] || echo 1 >/proc/sys/net/bridge/bridge-nf-call-iptables
neighbour() { # NAME LINK HOST-ADDRESS ADDRESS
    ip netns add $1
    ip link add $2 type veth peer name eth0 netns $1
    ip addr add $3/24 dev $2 && ip link set $2 up
    ip -n $1 addr add $4/24 dev eth0 && ip -n $1 link set eth0 up && ip -n $1 link set lo up
    ip -n $1 route add 10.87.0.0/16 via $3
}
neighbour windows lan0 192.168.77.10 192.168.77.1
ip -n windows addr add 192.0.2.53/32 dev lo
neighbour stranger lan1 192.168.88.10 192.168.88.66
ip route add default via 192.168.77.1
";
