//! A container is stopped, started, connected and recreated, and keeps its address.

use crate::podman::{IMAGE, Lab, YAML, on_both};

on_both!(
    an_address_stays_with_its_container,
    a_stopped_container_keeps_its_address,
    pruned_network_is_restored,
    networks_can_change_while_container_runs,
    pods,
    builds,
);

fn an_address_stays_with_its_container(lab: &Lab) {
    let address = lab.run("web", "");
    let other = lab.run("other", "");
    for again in [
        "podman stop --time 0 web && podman start web",
        "podman restart --time 0 web",
        "podman kill web && podman wait web && podman start web",
        // Recreated with the same name, while others start and stop.
        "podman rm --force --time 0 web && podman run --rm --network flatnet flatnet-test/busybox true && \
         podman run -d --name web --network flatnet flatnet-test/busybox",
    ] {
        lab.sh(again).succeeds();
        assert_eq!(lab.address("web"), address, "after: {again}");
        lab.answers(&address, "10.87.1.1");
        lab.sh("podman exec web ip addr show eth0").prints(&format!("inet {address}/24"));
    }
    assert_eq!(lab.address("other"), other);
    lab.sh("podman stop --time 0 web other").succeeds();
    lab.nothing_left();
    lab.sh("podman start other web").succeeds();
    assert_eq!((lab.address("web"), lab.address("other")), (address, other));
    lab.remove_all();
    lab.nothing_left();
}

/// `podman network prune` deletes a network that no container is on.
fn pruned_network_is_restored(lab: &Lab) {
    lab.sh("flatnet status").succeeds();
    for prune in ["podman network prune -f", "podman system prune -f"] {
        lab.sh(prune).succeeds();
        lab.sh("! flatnet status").prints("was deleted; it defines the network for Podman");
        lab.sh("! flatnet plan --dry-run --exit-code").prints("`flatnet up` restores it");
        let up = if prune.contains("system") { "flatnet repair" } else { "flatnet up" };
        lab.sh(up).succeeds().prints("is restored");
        lab.sh("flatnet status && flatnet plan --dry-run --exit-code").succeeds();
        lab.run("web", "");
        lab.remove_all();
    }
    lab.nothing_left();
    // `flatnet down` also removes the network.
    lab.sh("flatnet down && podman network rm flatnet && flatnet up").succeeds();
    lab.sh("podman network exists flatnet").fails();
}

/// Short-lived containers reuse the addresses of ended ones, and not those of stopped containers.
fn a_stopped_container_keeps_its_address(lab: &Lab) {
    lab.sandbox.write(
        "/etc/flatnet/flatnet.yaml",
        &format!("{YAML}allocate: {{from: 10.87.1.10, to: 10.87.1.14}}\n"),
    );
    lab.sh("flatnet up").succeeds();
    let stopped = lab.run("stopped", "");
    let asked = lab.run("asked", "--ip 10.87.1.12");
    lab.sh("podman stop --time 0 asked stopped").succeeds();
    for _ in 0..5 {
        lab.sh(&format!("podman run --rm --network flatnet {IMAGE} true")).succeeds();
    }
    for name in ["a", "b", "c"] {
        lab.run(name, "");
    }
    lab.sh("podman start stopped asked").succeeds();
    assert_eq!((lab.address("stopped"), lab.address("asked")), (stopped.clone(), asked));
    // Only leases of named containers, which may return, are left.
    lab.sh("podman stop --time 0 asked stopped").succeeds();
    assert_eq!(lab.run("d", ""), stopped);
    lab.sh("grep 10.87.1.10 /var/log/flatnet/flatnet.log").prints("stopped").prints("may be started again");
    lab.remove_all();
}

fn networks_can_change_while_container_runs(lab: &Lab) {
    let address = lab.run("web", "-p 8080:80");
    lab.sh("podman network reload web").succeeds();
    assert_eq!(lab.address("web"), address);
    lab.answers(&address, "10.87.1.1");
    lab.answers("127.0.0.1:8080", "10.87.1.1");
    lab.sh("podman network connect flatnet web").complains("already connected");
    lab.sh("podman network disconnect flatnet web").succeeds();
    lab.sh("podman exec web ip addr show").prints("lo:");
    lab.sh(&format!("curl -sS -m 1 http://{address}/")).fails();
    lab.sh("podman network connect flatnet web").succeeds();
    assert_eq!(lab.address("web"), address, "its address is still its own");
    lab.answers(&address, "10.87.1.1");
    lab.remove_all();
    lab.nothing_left();
}

/// The containers of a pod share one attachment. The infra container runs a test image, because Podman's own needs the
/// package catatonit.
fn pods(lab: &Lab) {
    let infra = format!("--infra-image {IMAGE} --infra-command 'sleep 1000'");
    lab.sh(&format!("podman pod create --name pod --network flatnet -p 8099:80 {infra}")).succeeds();
    lab.sh(&format!("podman run -d --pod pod --name web {IMAGE}")).succeeds();
    let show = format!("podman run --rm --pod pod {IMAGE} ip -o -4 addr show eth0");
    let shown = lab.sh(&show).prints("10.87.1.").stdout;
    let address = shown.split_whitespace().find_map(|word| word.strip_suffix("/24")).unwrap_or_default();
    lab.answers(address, "10.87.1.1");
    lab.answers("127.0.0.1:8099", "10.87.1.1");
    lab.sh("podman pod stop --time 0 pod").succeeds();
    lab.nothing_left();
    lab.sh("podman pod start pod").succeeds();
    lab.sh(&show).prints(address);
    lab.sh("podman pod rm --force --time 0 pod").succeeds();
    lab.nothing_left();
}

/// `podman build` makes its namespaces itself, and passes them as `/proc/PID/fd/N`.
fn builds(lab: &Lab) {
    let address = lab.run("web", "");
    let build = "podman build --no-cache --network flatnet --file - .";
    let file = format!(
        "FROM {IMAGE}\nRUN timeout 5 wget -qO- http://{address}/cgi-bin/who && ip -4 addr show eth0\n"
    );
    lab.sandbox.sh_with_stdin(build, &file).prints("inet 10.87.1.");
    let file = format!("FROM {IMAGE}\nRUN false\n");
    lab.sandbox.sh_with_stdin(build, &file).fails();
    lab.remove_all();
    lab.nothing_left();
}
