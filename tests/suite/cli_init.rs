//! `flatnet init`: what it writes, keeps and prints, for each version of Podman.

use serde_json::Value;

use crate::cni::CONFIG;
use crate::sandbox::Sandbox;

const CONFLIST: &str = "/etc/cni/net.d/flatnet.conflist";

#[test]
fn init_keeps_edited_files_unless_forced() {
    let sandbox = Sandbox::podman4().start();
    sandbox.sh("umask 077; flatnet init").prints(
        "written     /etc/flatnet/flatnet.yaml\n\
         written     /etc/cni/net.d/flatnet.conflist\n\
         written     /opt/cni/bin/flatnet -> /usr/local/bin/flatnet\n\
         written     /usr/local/libexec/netavark/flatnet -> /usr/local/bin/flatnet\n",
    );
    sandbox.sh(&format!("stat -c %a {CONFIG} {CONFLIST}")).prints_exactly("644\n644");
    sandbox.sh("flatnet config check --json | jq -r .subnet").prints_exactly("10.87.1.0/24");

    let again = sandbox.sh("flatnet init").succeeds().stdout;
    assert_eq!(again.matches("unchanged   ").count(), 4, "{again}");

    sandbox.write(CONFIG, "# mine\nmtu: 1400\n");
    sandbox.sh("flatnet init --host 7").prints(
        "kept        /etc/flatnet/flatnet.yaml (differs; use --force to overwrite it)\nunchanged   /etc/cni",
    );
    assert_eq!(sandbox.read(CONFIG), "# mine\nmtu: 1400\n");
    sandbox.sh("flatnet init --host 7 --force").prints("overwritten /etc/flatnet/flatnet.yaml\nunchanged ");
    sandbox
        .sh("flatnet config check --json | jq -r .subnet,.bridge_address")
        .prints_exactly("10.87.7.0/24\n10.87.7.1");
    // Podman creates the lock `cni.lock` when it reads the networks.
    sandbox.sh("ls -A --ignore=cni.lock /etc/flatnet /etc/cni/net.d /opt/cni/bin").prints_exactly(
        "/etc/cni/net.d:\nflatnet.conflist\n\n/etc/flatnet:\nflatnet.yaml\n\n/opt/cni/bin:\nflatnet",
    );
}

#[test]
fn failed_init_leaves_no_partial_files() {
    let sandbox = Sandbox::podman4().start();
    sandbox.sh("rm -rf /opt/cni && touch /opt/cni && flatnet init").complains("error[FLAT-E081]: cannot ");
    sandbox
        .sh(&format!("ls {CONFIG} {CONFLIST} /usr/local/libexec/netavark/flatnet"))
        .complains("No such file");
    sandbox.sh("ls /etc/flatnet").complains("No such file");
    let broken = "network: [\n";
    sandbox.write(CONFIG, broken);
    sandbox.sh("rm /opt/cni; flatnet init").complains("/etc/flatnet/flatnet.yaml:");
    sandbox.sh(&format!("ls {CONFLIST}")).complains("No such file");
    assert_eq!(sandbox.read(CONFIG), broken);
}

#[test]
fn init_rejects_unusable_config_paths() {
    let sandbox = Sandbox::podman4().start();
    sandbox.sh("mkdir -p /srv/init/root/etc").succeeds();
    let long = format!("/{}yaml", "a/".repeat(256));
    for path in ["/etc/../../outside.yaml", "../outside.yaml", &long] {
        let init = format!("cd /srv/init && flatnet init --root root --config {path}");
        sandbox.sh(&init).complains("error[FLAT-E016]: config: ");
        sandbox.sh("find /srv -name '*yaml' | grep .").fails();
    }
    sandbox
        .sh("cd /srv/init && flatnet init --root root --config '/etc/a b.yaml' && ls 'root/etc/a b.yaml'")
        .succeeds();
}

#[test]
fn podman_4_lists_the_network_that_init_wrote() {
    let sandbox = Sandbox::podman4().start();
    sandbox.sh("flatnet init").prints(
        "\nPodman 4.3.1 uses CNI and calls Flatnet as a CNI plugin. Next:\n  flatnet up\n  podman run --network flatnet IMAGE\n",
    );
    sandbox.sh("podman network ls --format '{{.Name}} {{.Driver}}'").prints("flatnet flatnet");
    let labels = sandbox.sh("podman network inspect flatnet").succeeds().stdout;
    let labels: Value = serde_json::from_str(&labels).unwrap();
    assert_eq!(labels[0]["labels"]["io.flatnet.config"], CONFIG);
}

#[test]
fn a_second_network_has_its_own_conflist() {
    let sandbox = Sandbox::podman4().start();
    sandbox
        .sh("flatnet init --network lab --bridge lab-br0 --host 8 --config /etc/flatnet/lab.yaml")
        .prints("  flatnet --config /etc/flatnet/lab.yaml up\n  podman run --network lab IMAGE\n");
    let conflist: Value = serde_json::from_str(&sandbox.read("/etc/cni/net.d/lab.conflist")).unwrap();
    assert_eq!(conflist["name"], "lab");
    assert_eq!(conflist["plugins"][0]["config"], "/etc/flatnet/lab.yaml");
    sandbox.sh("podman network exists lab").succeeds();
    sandbox
        .sh("FLATNET_CONFIG=/etc/flatnet/lab.yaml flatnet up && ip -br addr show lab-br0")
        .prints("10.87.8.1/32");
}

#[test]
fn init_advises_cni_for_old_netavark_without_changes() {
    let sandbox = Sandbox::podman4().start();
    let script = "sed -i 's/\"cni\"/\"netavark\"/' /etc/containers/containers.conf
        sha256sum /etc/containers/containers.conf >before; flatnet init; sha256sum -c --quiet before
        podman info --format '{{.Host.NetworkBackend}}'";
    let said =
        sandbox.sh(script).prints("Podman 4.3.1 uses a netavark version without plugin support").stdout;
    assert!(said.contains("network_backend = \"cni\""), "{said}");
    assert!(said.ends_with("\nnetavark\n"), "{said}");
}

#[test]
fn init_warns_about_program_writable_by_others() {
    let sandbox = Sandbox::podman4().start();
    assert_eq!(sandbox.sh("flatnet init").succeeds().stderr, "");
    let output = sandbox
        .sh("install -o nobody /usr/local/bin/flatnet /srv/flatnet; /srv/flatnet init --force")
        .succeeds();
    assert!(output.stderr.starts_with("Note: /srv/flatnet is writable by users other than root"), "{output}");
    sandbox.sh("readlink /opt/cni/bin/flatnet").prints_exactly("/srv/flatnet");
    sandbox
        .sh("setpriv --reuid 65534 --clear-groups flatnet init --config /etc/other/flatnet.yaml")
        .complains(
            "error[FLAT-E021]: cannot create /etc/other\n  Permission denied (os error 13)\nhelp: Use sudo",
        );
}

#[test]
fn init_works_without_podman() {
    let sandbox = Sandbox::podman4().start();
    sandbox.sh("rm /usr/bin/podman; flatnet init").prints("\nPodman is not installed.");
    sandbox.sh("flatnet up && flatnet init --json | jq -r .podman").prints("\nmissing");
}

#[test]
fn init_root_option_writes_final_paths() {
    let sandbox = Sandbox::podman4().start();
    let script =
        "mkdir -p /pkg/usr/bin; cp /usr/local/bin/flatnet /pkg/usr/bin; /pkg/usr/bin/flatnet init --root /pkg
        readlink /pkg/opt/cni/bin/flatnet; jq -r '.plugins[0].config' /pkg/etc/cni/net.d/flatnet.conflist
        ls /etc/flatnet 2>&1 || true";
    let said = sandbox.sh(script).succeeds().stdout;
    assert!(said.starts_with("written     /pkg/etc/flatnet/flatnet.yaml\n"), "{said}");
    assert!(said.contains("\n/usr/bin/flatnet\n/etc/flatnet/flatnet.yaml\nls: cannot access"), "{said}");
}

#[test]
fn init_advises_network_create_for_podman_5() {
    let sandbox = Sandbox::trixie().start();
    let create = "podman network create -d flatnet flatnet";
    sandbox.sh("flatnet init").prints(&format!(
        "\nPodman 5.4.2 uses netavark and calls Flatnet as a netavark plugin.\nNext:\n  flatnet up\n  {create}\n"
    ));
    // Podman finds the link that init made without an entry in containers.conf.
    sandbox
        .sh(&format!("sed -i /netavark_plugin_dirs/d /etc/containers/containers.conf; {create}"))
        .prints("flatnet");
    let said = sandbox.sh("flatnet init").succeeds().stdout;
    assert!(!said.contains("network create") && !said.contains("netavark_plugin_dirs"), "{said}");
    sandbox
        .sh("sed -i '/^\\[network\\]/a netavark_plugin_dirs = [\"/nowhere\"]' /etc/containers/containers.conf; flatnet init")
        .prints("netavark_plugin_dirs = [\"/usr/local/libexec/netavark\"");
}
