//! What users try against the service for rootless Podman, and against one another, beside what `rootless::` has.

use serde_json::{Value, json};

use crate::drive::{drive, texts};
use crate::podman::{Flavour, IMAGE};
use crate::rootless::{Users, attach, on_both_podmans};
use crate::soak;
use crate::world::World;

const ASKER: &str = "python3 -B /usr/local/lib/drive/asker.py";
const TAKEOVER: &str = "python3 -B /usr/local/lib/drive/takeover.py";

on_both_podmans!(
    killed_service_leaves_nothing;
    alone: numbers_for_containers_get_no_slots,
    swapped_descriptor_leads_to_no_other_namespace,
    container_with_the_socket_gets_no_more_than_its_user,
    number_of_a_removed_user_leads_to_nothing_of_theirs,
    starts_and_removals_take_only_own_addresses,
    file_that_cannot_be_closed_holds_nobody_up,
    requests_that_come_too_fast_are_told_so,
    process_that_tells_whose_a_namespace_is_cannot_be_taken_over,
    number_of_a_namespace_that_is_gone_leads_to_no_other,
    routes_of_a_container_hold_nobody_up,
    name_of_roots_container_is_not_taken,
);

/// A process in network and user namespaces of alice's.
fn namespace_of_alice(users: &Users) -> u64 {
    let pid = users.sh(
        "as alice unshare -Urn sleep 1000 >/dev/null 2>&1 & sleep 0.5; pgrep -u alice -x sleep | tail -1",
    );
    pid.succeeds().stdout.trim().parse().unwrap()
}

/// The next call leaves nothing: DEL, ADD and DEL, or `repair` and DEL. Nor does one whose user left before the answer.
fn killed_service_leaves_nothing(users: &Users) {
    // The first one starts the resolver.
    users.run("alice", "first", "");
    users.sh("as alice podman rm -f -t 0 first; flatnet up").succeeds();
    let pid = namespace_of_alice(users);
    let before = World::of(&users.sandbox);
    let runs = soak::count(40);
    let answer =
        drive(&users.sandbox, "kill_service", &json!({"seed": soak::seed(), "runs": runs, "pid": pid}));
    let wrong = texts(&answer, "wrong");
    soak::report(runs, wrong.len(), &answer["killed"]);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    before.assert_is_back(&users.sandbox);
    let killed = |what: &str| answer["killed"][what].as_u64().unwrap_or_default();
    assert!(killed("attach") > 0 && killed("detach") > 0 && killed("left") > 0, "{answer}");
}

/// A user is root over 65,536 numbers. If each had slots of its own, one user could keep all connections busy.
fn numbers_for_containers_get_no_slots(users: &Users) {
    let idle = users.sh(&format!("as alice podman unshare {ASKER} --idle 40 1")).succeeds().stdout;
    assert_eq!(idle.trim(), "40", "all were closed at once");
    users.sh("ls /run/flatnet-serve | grep -vc '^lock$\\|^[0-9]\\{4\\}\\.' || true").prints_exactly("0");
}

/// What is behind the number changes between any two looks at it.
fn swapped_descriptor_leads_to_no_other_namespace(users: &Users) {
    users.sh("flatnet up; ip netns add roots; touch /tmp/file").succeeds();
    let mut answered = serde_json::Map::new();
    for other in ["/run/netns/roots", "/tmp/file"] {
        let swap = format!("as bob unshare -Urn {ASKER} --swap 10 '{}' {other}", attach("c1", ""));
        let answer: Value = serde_json::from_str(&users.sh(&swap).succeeds().stdout).unwrap();
        answered.extend(answer.as_object().unwrap().clone());
        users.sh("ip -n roots -br link | cut -d ' ' -f 1").prints_exactly("lo");
    }
    // Both were seen, or nothing was tried.
    assert!(answered.contains_key("done") && answered.contains_key("FLAT-E023"), "{answered:?}");
    users.sh("flatnet ps --json | jq length").prints_exactly("0");
    users.sh("ip -br link | grep -c '^fn' || true").prints_exactly("0");
}

/// In a container a user is in no group of this host's, unless the user gives the groups to the container.
fn container_with_the_socket_gets_no_more_than_its_user(users: &Users) {
    let alices = users.run("alice", "web", "--ip 10.87.1.200");
    let contained = |options: &str, message: &str, path: &str| {
        users.sh(&format!(
            "as bob podman run --rm --network none -v /var/lib/flatnet-serve:/var/lib/flatnet-serve -v /usr:/usr:ro -v /usr/lib:/lib:ro \
             -v /usr/lib64:/lib64:ro {options} {IMAGE} {ASKER} '{message}' {path}"
        ))
    };
    contained("", &attach("c1", ""), "/proc/self/ns/net").fails().complains("PermissionError");
    let keep = "--group-add keep-groups";
    let anothers = attach("c1", &format!("\"{alices}\""));
    contained(keep, &anothers, "/proc/self/ns/net").prints("FLAT-E023");
    contained(keep, &attach("c1", ""), "/proc/self/ns/net").prints("attached");
    let id = users.sh("as alice podman ps -q --no-trunc").succeeds().stdout.trim().to_owned();
    let identity = json!({"container_id": id, "if_name": "eth0"});
    contained(
        keep,
        &json!({"version": 1, "network": "flatnet", "call": {"detach": identity}}).to_string(),
        "",
    )
    .prints("done");
    users.sh(&format!("curl -sS -m 3 http://{alices}/cgi-bin/who")).prints("10.87.1.1");
}

/// dave gets alice's number while her containers still run.
fn number_of_a_removed_user_leads_to_nothing_of_theirs(users: &Users) {
    let web = users.run("alice", "web", "");
    users.run("alice", "two", "");
    users.run("alice", "three", "");
    users.sh("id=$(as alice podman ps -q --no-trunc --filter name=web); echo $id >/tmp/id; uid=$(id -u alice); groupadd keeps; userdel -f alice 2>/dev/null; useradd -m -u $uid -g keeps -G flatnet dave").succeeds();
    users
        .sh("printf '    dave: {addresses: 1}\\n' >>/etc/flatnet/flatnet.yaml; flatnet config check")
        .succeeds();
    let dave =
        |message: &str, paths: &str| users.sh(&format!("as dave unshare -Urn {ASKER} '{message}' {paths}"));
    // Neither the containers of the same number count as dave's, nor can dave detach them, nor ask about them.
    let attached = dave(&attach("c1", ""), "/proc/self/ns/net").prints("{\"attached\":").stdout.clone();
    let attached: Value = serde_json::from_str(&attached).unwrap();
    assert!(!attached.to_string().contains(&format!("\"{web}/")), "{attached}");
    let id = users.sh("cat /tmp/id").stdout.trim().to_owned();
    let call = |call: &Value| json!({"version": 1, "network": "flatnet", "call": call}).to_string();
    let identity = json!({"container_id": id, "if_name": "eth0"});
    dave(&call(&json!({"detach": identity})), "").prints("done");
    dave(&call(&json!({"check": {"id": identity, "addresses": [web]}})), "").prints("is not attached");
    let ps = users.sh("flatnet ps").succeeds().stdout;
    assert_eq!(ps.matches(".alice").count(), 3, "{ps}");
    users.sh(&format!("curl -sS -m 3 http://{web}/cgi-bin/who")).prints("10.87.1.1");
}

/// One who starts and removes containers all day takes no address that others' stopped containers come back for.
fn starts_and_removals_take_only_own_addresses(users: &Users) {
    let kept = users.run("bob", "kept", "");
    users.sh("as bob podman stop -t 0 kept").succeeds();
    for _ in 0..5 {
        users.sh(&format!("as alice podman run --rm --network flatnet {IMAGE} true")).succeeds();
    }
    let all =
        users.sh(r#"flatnet ps --all --json | jq -r '.[] | select(.name | endswith(".alice")) | .address'"#);
    let all = all.succeeds().stdout;
    assert_eq!(all.lines().count(), 3, "{all}");
    users.sh("as bob podman start kept").succeeds();
    assert_eq!(users.address("bob", "kept"), kept);
}

/// Root may call a container as Flatnet calls alice's container `web`: root's keeps its address and its name.
fn name_of_roots_container_is_not_taken(users: &Users) {
    let run = format!("podman run -d --name web.alice --network flatnet {IMAGE}");
    users.sh(&run).succeeds();
    let kept = users.sh("flatnet ps --json | jq -r .[].address").succeeds().stdout.trim().to_owned();
    users.sh("podman rm -f -t 0 web.alice").succeeds();
    assert_ne!(users.run("alice", "web", ""), kept, "remembered for root's container");
    users.sh(&run).succeeds();
    let asked = "podman exec web.alice nslookup web.alice.direct.flatnet.internal | tail -n 3";
    users.sh(asked).prints(&format!("Address: {kept}\n"));
}

/// Whoever closes a file of a user's file system waits for the user's answer, even when killed.
fn file_that_cannot_be_closed_holds_nobody_up(users: &Users) {
    let message = attach("c1", "");
    let endless = "as alice podman unshare python3 -B /usr/local/lib/drive/fuse.py timeout 10";
    for option in ["", "--send"] {
        users
            .sh(&format!("{endless} {ASKER} {option} '{message}' /tmp/endless/file"))
            .prints("FLAT-E03")
            .succeeds();
    }
    users.sandbox.eventually("! pgrep -f 'flatnet serve$'");
}

/// The answer to a request that was not read arrives all the same, so that Podman's plugin asks again.
fn requests_that_come_too_fast_are_told_so(users: &Users) {
    let mut idle = users.sandbox.spawn(&format!("as alice {ASKER} --hold 8"));
    users.sandbox.eventually("(( $(ls /run/flatnet-serve | grep -c '\\.') == 8 ))");
    for _ in 0..5 {
        let status = json!({"version": 1, "network": "flatnet", "call": "status"});
        users.sh(&format!("as alice {ASKER} '{status}'")).prints("FLAT-E");
    }
    assert!(users.run("alice", "web", "").starts_with("10.87.1."));
    let _ = idle.wait();
    // A thousand at once keep nobody else out.
    let mut flood = users.sandbox.spawn(&format!("as alice {ASKER} --flood 1000 >/tmp/flood"));
    assert!(users.run("bob", "web", "").starts_with("10.87.1."));
    assert!(flood.wait().unwrap().success());
    users.sh("cat /tmp/flood").prints("\"done\"");
    users.sh("flatnet doctor").prints("nothing is wrong");
}

/// Whether a namespace is the user's is told by a process with the user's rights. The user must not be able to make it say so.
fn process_that_tells_whose_a_namespace_is_cannot_be_taken_over(users: &Users) {
    let message = attach("c1", "");
    let tried = users
        .sh(&format!(
            "ip netns add roots; as alice {TAKEOVER} 15 >/tmp/taken & sleep 0.5
            for _ in {{1..12}}; do as alice unshare -Urn {ASKER} '{message}' /run/netns/roots; done; wait; cat /tmp/taken"
        ))
        .prints("FLAT-E023")
        .succeeds()
        .stdout;
    let last = tried.lines().last().unwrap_or_default();
    assert!(!tried.contains("\"attached\"") && last.starts_with("0 taken over, "), "{tried}");
    assert!(!last.ends_with(" 0 refused"), "{tried}");
    users.sh("ip -n roots -br link | grep -c eth0 || true").prints_exactly("0");
}

/// The kernel gives the number of a namespace that is gone to a new one, which any user may make, as often as it takes.
fn number_of_a_namespace_that_is_gone_leads_to_no_other(users: &Users) {
    users.run("bob", "web", "");
    users.sh(&format!("podman run -d --name rootful --network flatnet {IMAGE}")).succeeds();
    let pid = namespace_of_alice(users);
    users
        .sh(&format!(
            r#"number=$(stat -Lc %i /proc/{pid}/ns/net)
            for link in $(flatnet ps --json | jq -r '.[].host_link'); do ip link del $link; done
            sed -i 's/"netns_id":{{"dev":\([0-9]*\),"ino":[0-9]*}}/"netns_id":{{"dev":\1,"ino":'$number'}}/; s/,"sha256":"[^"]*"}}$/}}/' /var/lib/flatnet/flatnet/receipts/*.json
            grep -c '"ino":'$number /var/lib/flatnet/flatnet/receipts/*.json"#
        ))
        .succeeds();
    users
        .sh("flatnet ps --all --json | jq '[.[] | select(.state == \"running\")] | length'")
        .prints_exactly("0");
    users.sh("flatnet repair; flatnet ps --json | jq length").prints("0").succeeds();
    users.sh(&format!("nsenter -t {pid} -n ip -br link | grep -c eth0 || true")).prints_exactly("0");
}

/// Root looks for a default route in the namespace while others wait, and a user may have put any number of routes there.
fn routes_of_a_container_hold_nobody_up(users: &Users) {
    let pid = namespace_of_alice(users);
    users
        .sh(&format!("as alice nsenter --preserve-credentials -U -n -t {pid} bash -c 'ip link set lo up; for ((i = 0; i < 400000; i++)); do echo route add 20.$((i >> 14)).$((i >> 6 & 255)).$(((i & 63) * 4))/30 dev lo; done | ip -batch -'"))
        .succeeds();
    let message = attach("c1", "");
    users
        .sh(&format!("start=$(date +%s%N); as alice nsenter --preserve-credentials -U -n -t {pid} {ASKER} '{message}' /proc/self/ns/net; echo; echo $((($(date +%s%N) - start) / 1000000000 < 4))"))
        .prints("attached")
        .prints("\n1\n");
}

/// Root opens nothing at the path by which a user calls a namespace: a pipe there would hold root up for ever.
#[test]
fn root_does_not_open_what_a_user_calls_a_namespace() {
    let users = Users::of(Flavour::Cni);
    let pid = namespace_of_alice(&users);
    let enter = format!("as alice nsenter --preserve-credentials -U -n -t {pid}");
    let message = attach("c1", "").replace("/run/user/1/netns/x", "/home/alice/pipe");
    users
        .sh(&format!("as alice mkfifo /home/alice/pipe; {enter} {ASKER} '{message}' /proc/self/ns/net"))
        .prints("attached");
    // The namespace is held by a descriptor only, and has lost its link.
    users.sh(&format!("{enter} ip link del eth0; as alice sh -c 'exec 9</proc/{pid}/ns/net; exec sleep 1000' >/dev/null 2>&1 & sleep 0.5; kill {pid}; while kill -0 {pid} 2>/dev/null; do sleep 0.01; done")).succeeds();
    let check = json!({"version": 1, "network": "flatnet", "call": {"check": {"id": {"container_id": "c1", "if_name": "eth0"}, "addresses": []}}});
    users.sh(&format!("timeout 5 as alice {ASKER} '{check}'")).prints("FLAT-E");
    for command in ["flatnet doctor", "flatnet inspect web.alice", "flatnet plan", "flatnet repair"] {
        users.sh(&format!("timeout 20 {command} || [ $? -ne 124 ]")).succeeds();
    }
    users.sh("flatnet ps --json | jq length").prints_exactly("0");
}
