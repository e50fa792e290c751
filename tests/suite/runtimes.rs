//! Runtimes other than Podman, of Debian's packages: containerd by `ctr` and by its CRI, and buildah. On Debian 12 and 13.

use serde_json::Value;

use crate::podman::{IMAGE, LAN_ADDRESS, Lab, WINDOWS, on_both};
use crate::sandbox::Output;
use crate::world::World;

/// A client of the CRI: Debian has no crictl.
const CRI: &str = include_str!("drive/cri.py");
/// The busybox image in containerd.
const CTR_IMAGE: &str = "docker.io/library/busybox:latest";
/// A network that comes before `flatnet.conflist` by its name, as that of Podman's package does.
const OTHER_NETWORK: &str = r#"{"cniVersion": "0.4.0", "name": "other", "plugins": [{"type": "bridge", "bridge": "other0",
    "isGateway": true, "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.99.0.0/24"}]]}}]}"#;

on_both!(
    ctr_run_frees_its_address,
    ctr_run_detached_is_freed_by_gc,
    ctr_takes_the_first_conflist_by_name,
    cri_pod_has_its_address_name_and_port,
    cri_needs_plugins_of_its_folder,
    buildah_run_and_build_use_the_network,
);

/// Starts containerd, and returns the world without containers.
fn start_containerd(lab: &Lab) -> World {
    lab.sandbox.write("/root/prepare.sh", include_str!("documents/prepare.sh"));
    lab.sandbox.write("/root/cri.py", CRI);
    lab.sh(". /root/prepare.sh; begin_containerd").succeeds();
    World::of(&lab.sandbox)
}

/// The attachments, when there are `count`.
fn attachments(lab: &Lab, count: usize) -> Vec<Value> {
    let output = lab.sandbox.eventually(&format!("flatnet ps --json | jq -ce 'select(length == {count})'"));
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}\n{output}"))
}

/// The address of the only attachment.
fn only_address(lab: &Lab) -> String {
    attachments(lab, 1)[0]["address"].as_str().unwrap_or_default().to_owned()
}

fn cri(lab: &Lab, arguments: &str) -> Output {
    lab.sh(&format!("/usr/bin/python3 -B /root/cri.py {arguments}"))
}

fn ctr_run_frees_its_address(lab: &Lab) {
    let before = start_containerd(lab);
    drop(lab.sandbox.spawn(&format!("ctr run --rm --cni {CTR_IMAGE} web")));
    let address = only_address(lab);
    lab.answers(&address, "10.87.1.1");
    lab.answers_in("ip netns exec windows", &address, WINDOWS);
    lab.sh("ctr task kill --signal KILL web").succeeds();
    attachments(lab, 0);
    before.assert_is_back(&lab.sandbox);
}

fn ctr_run_detached_is_freed_by_gc(lab: &Lab) {
    let before = start_containerd(lab);
    lab.sh(&format!("ctr run --detach --cni {CTR_IMAGE} web")).succeeds();
    let address = only_address(lab);
    lab.answers(&address, "10.87.1.1");
    lab.sh("flatnet gc").prints("Nothing to free");
    lab.answers(&address, "10.87.1.1");
    // `ctr task kill` of containerd 1.7 calls DEL, that of 1.6 does not; a container that ends by itself calls it in neither.
    lab.sh("kill -KILL \"$(ctr task list | awk '$1 == \"web\" {print $2}')\"").succeeds();
    lab.sandbox.eventually("ctr task list | grep -q '^web .*STOPPED'");
    lab.sh("ctr container delete web").succeeds();
    assert_eq!(attachments(lab, 1)[0]["state"], "dead", "containerd called DEL");
    lab.sh("flatnet gc").prints(&format!("freed default-web (eth0), {address}"));
    attachments(lab, 0);
    before.assert_is_back(&lab.sandbox);
}

fn ctr_takes_the_first_conflist_by_name(lab: &Lab) {
    start_containerd(lab);
    lab.sandbox.write("/etc/cni/net.d/20-other.conflist", OTHER_NETWORK);
    let shows = format!("ctr run --rm --cni {CTR_IMAGE} web ip -4 addr show eth0");
    lab.sh(&shows).prints("inet 10.99.0.");
    lab.sh("test -e /etc/cni/net.d/flatnet.conflist && ln -s flatnet.conflist /etc/cni/net.d/10-flatnet.conflist")
        .succeeds();
    lab.sh(&shows).prints("inet 10.87.1.");
    attachments(lab, 0);
    // Podman reads the network once.
    lab.sh(&format!("podman run --rm --network flatnet {IMAGE} ip -4 addr show eth0"))
        .prints("inet 10.87.1.");
}

/// `runtimeConfig.portMappings` has the keys `HostPort` and `ContainerPort`, as go-cni writes them.
fn cri_pod_has_its_address_name_and_port(lab: &Lab) {
    let before = start_containerd(lab);
    lab.sh("ln -s /usr/local/bin/flatnet /usr/lib/cni/flatnet").succeeds();
    let pod = cri(lab, "run web 8088:80").succeeds().stdout.trim().to_owned();
    let shown = attachments(lab, 1).remove(0);
    assert_eq!(
        (&shown["name"], &shown["container_id"]),
        (&Value::from("web"), &Value::from(&*pod)),
        "{shown}"
    );
    let address = shown["address"].as_str().unwrap_or_default();
    cri(lab, &format!("address {pod}")).prints_exactly(address);
    lab.answers(address, "10.87.1.1");
    lab.answers_in("ip netns exec windows", &format!("{LAN_ADDRESS}:8088"), WINDOWS);
    let (one, two) = (cri(lab, "run other 8088:80"), cri(lab, "run other"));
    one.complains("FLAT-E045");
    let other = two.succeeds().stdout.trim().to_owned();
    cri(lab, &format!("stop {other}")).succeeds();
    cri(lab, &format!("remove {other}")).succeeds();
    for verb in ["stop", "stop", "remove"] {
        cri(lab, &format!("{verb} {pod}")).succeeds();
        attachments(lab, 0);
    }
    before.assert_is_back(&lab.sandbox);
}

/// `flatnet init` makes a link in /opt/cni/bin, the package one in /usr/lib/cni, which Debian's configuration names.
fn cri_needs_plugins_of_its_folder(lab: &Lab) {
    start_containerd(lab);
    cri(lab, "run web").complains("failed to find plugin \"flatnet\" in path [/usr/lib/cni]");
    lab.sh("ln -s /usr/local/bin/flatnet /usr/lib/cni/flatnet").succeeds();
    cri(lab, "run web2").succeeds();
}

fn buildah_run_and_build_use_the_network(lab: &Lab) {
    let web = lab.run("web", "");
    let asks = format!("wget -qO- http://{web}/cgi-bin/who");
    let run = "buildah run --network flatnet \"$(buildah from localhost/flatnet-test/busybox)\"";
    let seen = lab.sh(&format!("{run} {asks}")).succeeds().stdout;
    assert!(seen.contains(" 10.87.1."), "seen with another address: {seen}");
    lab.sandbox.write(
        "/root/build/Containerfile",
        &format!("FROM localhost/{IMAGE}\nRUN {asks} >/who && cat /who\n"),
    );
    for build in ["buildah build", "podman build"] {
        let seen =
            lab.sh(&format!("{build} --no-cache --network flatnet --tag built /root/build")).succeeds();
        assert!(seen.stdout.contains(" 10.87.1."), "seen with another address\n{seen}");
    }
    attachments(lab, 1);
    lab.remove_all();
    lab.nothing_left();
}
