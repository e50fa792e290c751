//! Failures around a container: power, Podman, its namespace, the configuration.

use crate::podman::{Flavour, IMAGE, Lab, YAML, on_both};

on_both!(
    containers_work_again_after_reboot,
    containers_work_again_after_wsl_terminate,
    podman_is_killed_during_add,
    rm_cleans_up_after_lost_namespace,
    dead_containers_free_addresses_and_ports,
    invalid_config_blocks_run_but_not_rm,
    podman_shows_error_and_remedy,
    rootless_call_is_rejected,
);

/// `wsl --terminate` removes processes, namespaces with their links, and /run. It keeps bridges, rules,
/// settings, state and Podman's storage.
const WSL_TERMINATE: &str = "
for container in $(podman ps -q); do
    pid=$(podman inspect $container --format '{{.State.ConmonPid}} {{.State.Pid}}')
    kill -9 $pid
done
for netns in /run/netns/netns-*; do umount --lazy $netns; rm $netns; done
while ip -br link | grep -q '^fn'; do sleep 0.02; done
grep -o ' /var/lib/containers/[^ ]*/merged\\| /var/lib/containers/[^ ]*/shm' /proc/mounts | xargs -r umount
rm -rf /run/flatnet /run/containers /run/libpod /run/crun
";

/// A reboot also removes the remaining links, rules and settings, and changes the boot ID.
pub(crate) const ANOTHER_BOOT: &str = "
ip link del flatnet-br0
ip link del cni-podman0 2>/dev/null || true # Podman 5 removes its bridge itself
nft flush ruleset
echo 0 >/proc/sys/net/ipv4/ip_forward
cat /proc/sys/kernel/random/uuid >/tmp/boot_id
mount --bind /tmp/boot_id /proc/sys/kernel/random/boot_id
";

/// Removes what a reboot removes.
pub(crate) fn reboot() -> String {
    [WSL_TERMINATE, ANOTHER_BOOT].concat()
}

fn containers_work_again_after_reboot(lab: &Lab) {
    is_outlived(lab, &reboot());
}

fn containers_work_again_after_wsl_terminate(lab: &Lab) {
    is_outlived(lab, WSL_TERMINATE);
}

fn is_outlived(lab: &Lab, event: &str) {
    let address = lab.run("web", "-p 8080:80");
    let other = lab.run("other", "-p 8081:80");
    lab.sh(event).succeeds();
    lab.sh("podman start web").succeeds();
    assert_eq!(lab.address("web"), address);
    lab.answers(&address, "10.87.1.1");
    lab.answers("127.0.0.1:8080", "10.87.1.1");
    // Podman does not call Flatnet for this container: it was removed before it was started again.
    lab.sh("podman rm other").succeeds();
    assert_eq!(lab.run("other", "-p 8081:80"), other, "made again afterwards");
    lab.answers("127.0.0.1:8081", "10.87.1.1");
    lab.remove_all();
    lab.sh("flatnet plan --dry-run --exit-code").succeeds();
    lab.sh("ls /var/lib/flatnet/flatnet/receipts /run/flatnet/flatnet; ip -br link | grep -c '^fn' || true")
        .prints_exactly(
            "/run/flatnet/flatnet:\nowner\nruleset.lock\n\n/var/lib/flatnet/flatnet/receipts:\n0",
        );
}

/// An `ip` that waits while /run/hold exists.
const SLOW_IP: &str = "#!/bin/sh\nwhile [ -e /run/hold ]; do sleep 0.02; done\nexec /usr/sbin/ip \"$@\"\n";

/// Podman sends no DEL afterwards; the orphaned plugin continues.
fn podman_is_killed_during_add(lab: &Lab) {
    lab.sandbox.write("/usr/local/sbin/slow-ip", SLOW_IP);
    lab.sh("chmod 755 /usr/local/sbin/slow-ip").succeeds();
    lab.sandbox.write("/etc/flatnet/flatnet.yaml", &format!("{YAML}tools:\n  ip: /usr/local/sbin/slow-ip\n"));
    lab.sh("flatnet up").succeeds();
    let before = crate::world::World::of(&lab.sandbox);
    let killed = format!(
        "touch /run/hold
        podman run -d --name web --network flatnet -p 8080:80 {IMAGE} & podman=$!
        until pgrep -f '^/bin/sh /usr/local/sbin/slow-ip' >/dev/null; do sleep 0.02; done
        kill -9 $podman
        wait $podman || true"
    );
    lab.sh(&killed).succeeds();
    // The next ADD waits for the orphaned plugin.
    lab.sh("(sleep 0.5; rm /run/hold) & podman start web; wait").succeeds();
    let address = lab.address("web");
    lab.answers(&address, "10.87.1.1");
    lab.answers("127.0.0.1:8080", "10.87.1.1");
    lab.sh("ip -br link | grep -c '^fn'").prints_exactly("1");
    lab.remove_all();
    // Podman leaks the namespace of the killed run, because it lost the namespace's name.
    lab.sh(
        "for netns in /run/netns/netns-*; do [ ! -e $netns ] || { umount --lazy $netns; rm $netns; }; done",
    )
    .succeeds();
    before.assert_is_back(&lab.sandbox);
}

fn rm_cleans_up_after_lost_namespace(lab: &Lab) {
    let address = lab.run("web", "-p 8080:80");
    remove_with_its_namespace(lab, "web");
    // Podman did not call the plugin. The next container of that name gets its address and port.
    assert_eq!(lab.run("web", "-p 8080:80"), address);
    lab.answers("127.0.0.1:8080", "10.87.1.1");
    lab.remove_all();
    lab.nothing_left();
}

fn dead_containers_free_addresses_and_ports(lab: &Lab) {
    lab.run("dead", "-p 8080:80 --ip 10.87.1.50");
    remove_with_its_namespace(lab, "dead");
    assert_ne!(lab.run("port", "-p 8080:80"), "10.87.1.50");
    lab.answers("127.0.0.1:8080", "10.87.1.1");
    assert_eq!(lab.run("address", "--ip 10.87.1.50"), "10.87.1.50");
    lab.answers("10.87.1.50", "10.87.1.1");
    lab.remove_all();
    lab.nothing_left();
}

/// Removes a container whose namespace was removed, so that Podman does not call the plugin. Podman 5 fails at first,
/// and removes the container when asked again.
fn remove_with_its_namespace(lab: &Lab, name: &str) {
    let format = "{{.State.Pid}} {{.NetworkSettings.SandboxKey}}";
    lab.sh(&format!(
        "read -r pid netns < <(podman inspect {name} --format '{format}')
        umount --lazy $netns; rm $netns; kill -9 $pid
        podman rm --force --time 0 {name} || podman rm --force --time 0 {name}
        ! podman container exists {name}
        while ip -br link | grep -q '^fn'; do sleep 0.02; done"
    ))
    .succeeds();
}

fn invalid_config_blocks_run_but_not_rm(lab: &Lab) {
    lab.run("web", "-p 8080:80");
    lab.sandbox.write("/etc/flatnet/flatnet.yaml", "network: flatnet\nbrige: x\n");
    lab.try_run("refused", "").complains("/etc/flatnet/flatnet.yaml:2:1: unknown field `brige`");
    lab.sh("podman rm --force refused").succeeds();
    // Attached containers can still be detached.
    lab.sh("podman rm --force --time 0 web").succeeds();
    lab.sh("rm /etc/flatnet/flatnet.yaml").succeeds();
    lab.try_run("refused", "").complains("there is no configuration at /etc/flatnet/flatnet.yaml");
    lab.sh("podman rm --force refused").succeeds();
    lab.sandbox.write("/etc/flatnet/flatnet.yaml", YAML);
    lab.nothing_left();
}

fn podman_shows_error_and_remedy(lab: &Lab) {
    lab.run("web", "-p 8080:80 --ip 10.87.1.9");
    let mut cases = vec![
        ("-p 8080:80", ["is already published by web ", "Publish another port", "(FLAT-E045)"]),
        ("--ip 10.87.1.9", ["address 10.87.1.9 is held by web ", "Stop that container", "(FLAT-E042)"]),
        ("-p 61000:80/udp", ["61000->80/udp is in masquerade_ports 61000-65535", "Publish", "(FLAT-E046)"]),
        (
            "--ip 10.87.1.1",
            ["10.87.1.1 is the bridge's own", "Request a free address of 10.87.1.0/24", "(FLAT-E043)"],
        ),
    ];
    if lab.flavour == Flavour::Netavark {
        // Podman 5 listens on the port before it sets up the network, and prints a message of its own.
        let (options, _) = cases.remove(0);
        lab.try_run("refused", options).complains("address already in use");
        lab.sh("podman rm --force refused").succeeds();
    }
    for (options, wanted) in cases {
        let refused = lab.try_run("refused", options).fails();
        let line = refused.stderr.lines().find(|line| line.contains("FLAT-E")).unwrap_or_default();
        assert!(wanted.iter().all(|text| line.contains(text)), "{wanted:?} are not on one line\n{refused}");
        lab.sh("podman rm --force refused").succeeds();
    }
    lab.remove_all();
    lab.nothing_left();
}

/// Calls the plugin as rootless Podman does: as an ordinary user who is root in a user namespace.
fn rootless_call_is_rejected(lab: &Lab) {
    let call = match lab.flavour {
        Flavour::Cni => {
            "CNI_COMMAND=ADD CNI_CONTAINERID=abc CNI_IFNAME=eth0 CNI_NETNS=/proc/self/ns/net /opt/cni/bin/flatnet"
        }
        Flavour::Netavark => "/usr/local/libexec/netavark/flatnet setup /proc/self/ns/net",
    };
    let request = r#"{"cniVersion":"1.0.0","name":"flatnet","type":"flatnet",
        "container_id":"abc","container_name":"web","network":{"name":"flatnet"},"network_options":{"interface_name":"eth0"}}"#;
    for user in [
        "setpriv --reuid 65534 --regid 65534 --clear-groups",
        "setpriv --reuid 65534 --regid 65534 --clear-groups unshare --user --map-root-user --net",
    ] {
        let refused = lab.sandbox.sh_with_stdin(&format!("{user} env {call}"), request).fails();
        assert!(
            refused.stdout.contains("for rootless Podman, run `flatnet init --rootless USER` as root once"),
            "{refused}"
        );
    }
    if lab.flavour == Flavour::Netavark {
        lab.sh(ROOTLESS_PODMAN)
            .complains("for rootless Podman, run `flatnet init --rootless USER` as root once");
    }
    lab.nothing_left();
}

/// Networks of rootless Podman belong to the user, and `podman network create` is its first call of Flatnet. (Rootless
/// Podman 4 looks for conflists in the user's home, and does not know Flatnet.)
const ROOTLESS_PODMAN: &str = "
echo nobody:100000:65536 | tee -a /etc/subuid >>/etc/subgid
install -d -o nobody /tmp/home /run/user/65534
# From Podman 5.8 on, the host's storage.conf also sets where a user's storage is.
cat >/tmp/home/storage.conf <<'CONF'
[storage]
driver = \"vfs\"
graphroot = \"/tmp/home/storage\"
runroot = \"/run/user/65534/containers\"
CONF
cd /tmp
# A Podman process keeps the user namespace.
trap 'kill $(find /run/user/65534 -name pause.pid | xargs cat)' EXIT
setpriv --reuid 65534 --regid 65534 --clear-groups env HOME=/tmp/home USER=nobody XDG_RUNTIME_DIR=/run/user/65534 \
    CONTAINERS_STORAGE_CONF=/tmp/home/storage.conf podman network create -d flatnet flatnet
";
