//! Routes of the gateway to containers of users' rootless Podmans: asked as the user, and believed in nothing that is another's.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::podman::IMAGE;
use crate::rootless::{Users, on_both_podmans};
use crate::routes::TABLE;

on_both_podmans!(
    users_containers_are_routed_beside_roots;
    alone: watch_follows_users_containers,
    podman_that_hangs_or_floods_costs_only_its_user,
    podman_that_lies_gets_nothing_of_others,
);

const GATEWAY: &str =
    "flatnet gateway install && flatnet gateway sync && nginx -p /var/lib/flatnet-gateway -c conf/nginx.conf";
const WATCH: &str = "setsid flatnet gateway watch >/tmp/watch.out 2>&1 </dev/null & echo $! >/tmp/watch.pid";

/// Podman waits until somebody writes into its configuration.
const PIPE: &str = "mv containers.conf kept; mkfifo -m 666 containers.conf";

impl Users {
    fn run_roots(&self, name: &str, options: &str) {
        self.sh(&format!(
            "podman run -d --name {name} --network flatnet --hostname roots-{name} {options} {IMAGE}"
        ))
        .succeeds();
    }

    fn run_as(&self, user: &str, name: &str, options: &str) -> String {
        self.run(user, name, &format!("--hostname {user}s-{name} {options}"))
    }

    /// Who answers for `url`, by the gateway.
    fn answers(&self, host: &str, path: &str) -> String {
        let curl = format!("curl -s -m 5 -H 'Host: {host}' http://127.0.0.1{path}cgi-bin/who; true");
        self.sh(&curl).stdout
    }

    /// The lines of the table: `web.alice.flatnet.internal web.alice running`, and `db: why`.
    fn routes(&self) -> Vec<String> {
        let table = self.sh(&format!("cat {TABLE}")).stdout;
        let table: Value = serde_json::from_str(&table).unwrap_or_default();
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let routed = list(&table["routes"]).into_iter().flat_map(|route| {
            let host = text(&route["hosts"][0]);
            let ends = list(&route["endpoints"]);
            ends.into_iter()
                .map(move |one| format!("{host} {} {}", text(&one["container"]), text(&one["state"])))
        });
        let refused = list(&table["unrouted"]);
        let refused = refused.iter().map(|one| format!("{}: {}", text(&one["container"]), text(&one["why"])));
        routed.chain(refused).collect()
    }

    #[track_caller]
    fn become_routes(&self, wanted: &[&str], sync: bool) {
        let until = Instant::now() + Duration::from_secs(20);
        while self.routes() != wanted {
            assert!(
                Instant::now() < until,
                "{:#?} should be {wanted:#?}; watch says: {}",
                self.routes(),
                self.sh("cat /tmp/watch.out; true").stdout
            );
            if sync {
                self.sh("flatnet gateway sync").succeeds();
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

fn users_containers_are_routed_beside_roots(users: &Users) {
    users.sh(GATEWAY).succeeds();
    users.run_as("alice", "git", "--label flatnet.host=git --label flatnet.port=80");
    users.run_as("alice", "web", "");
    users.run_as("bob", "web", "--label flatnet.host=git,web");
    users.become_routes(
        &[
            "git.flatnet.internal git.alice running",
            "web.alice.flatnet.internal web.alice running",
            "web.bob: git.flatnet.internal belongs to git.alice: set another flatnet.host",
        ],
        true,
    );
    users.sandbox.eventually(
        "curl -s -m 5 -H 'Host: git.flatnet.internal' http://127.0.0.1/cgi-bin/who | grep alices-git",
    );
    // Root's container gets its name although a user had it before, and nobody gets a part of it.
    users.run_roots("git", "");
    users.run_as(
        "alice",
        "login",
        "--label flatnet.host=git --label flatnet.path=/login --label flatnet.port=80",
    );
    let wanted = [
        "git.flatnet.internal git running",
        "web.alice.flatnet.internal web.alice running",
        "git.alice: git.flatnet.internal belongs to root's container git: set another flatnet.host",
        "web.bob: git.flatnet.internal belongs to root's container git: set another flatnet.host",
        "login.alice: git.flatnet.internal belongs to root's container git: set another flatnet.host",
    ];
    users.become_routes(&wanted, true);
    users.sandbox.eventually(
        "curl -s -m 5 -H 'Host: git.flatnet.internal' http://127.0.0.1/cgi-bin/who | grep roots-git",
    );
    assert!(users.answers("git.flatnet.internal", "/login/").contains("404"), "root's container answers");
    assert!(users.answers("web.alice.flatnet.internal", "/").contains("alices-web"));
    users.sh("flatnet gateway routes").prints("http://web.alice.flatnet.internal/  web.alice");
    users
        .sh("flatnet gateway routes --json | jq -r '[.routes[].user] | join(\",\")'")
        .prints_exactly(",alice");
    users
        .sh("curl -s -m 5 -H 'Host: portal.flatnet.internal' http://127.0.0.1/ | grep -c 'web[.]alice'")
        .succeeds();
    // The doctor finds routes as they should be, and asks users' Podmans, too.
    users
        .sh("{ flatnet doctor --json || true; } | jq -r '.findings[] | select(.id == \"gateway-routes\") | .level'")
        .prints_exactly("good");
    // A stopped container keeps its route, a removed one does not.
    users.sh("as alice podman stop -t 0 web; as alice podman rm -f -t 0 login; as bob podman rm -f -t 0 web; podman rm -f -t 0 git").succeeds();
    users.become_routes(
        &["web.alice.flatnet.internal web.alice stopped", "git.flatnet.internal git.alice running"],
        true,
    );
    users.sh("as alice podman rm -f -t 0 web git; flatnet gateway sync").succeeds();
    users.sh("flatnet gateway routes").prints("No routes.");
    // Nobody is asked who has neither containers nor routes: this Podman would not answer.
    users.sh(&format!("cd ~alice/.config/containers; {PIPE}")).succeeds();
    assert_eq!(users.sh("flatnet gateway sync").succeeds().stderr, "");
}

fn watch_follows_users_containers(users: &Users) {
    users.sh("flatnet gateway install").succeeds();
    users.sh(WATCH).succeeds();
    users.sandbox.eventually(&format!("[[ -e {TABLE} ]]"));
    users.run_as("alice", "web", "");
    users.become_routes(&["web.alice.flatnet.internal web.alice running"], false);
    users.sh("as alice podman stop -t 0 web").succeeds();
    users.become_routes(&["web.alice.flatnet.internal web.alice stopped"], false);
    users.sh("as alice podman start web").succeeds();
    users.become_routes(&["web.alice.flatnet.internal web.alice running"], false);
    // A logout ends all that runs, and Podman is not asked without the user's runtime directory: it would make another.
    users
        .sh("pkill -KILL -u alice; while pgrep -u alice; do sleep 0.05; done; umount -l /run/user/$(id -u alice); rmdir /run/user/$(id -u alice)
             flatnet gc; kill $(cat /tmp/watch.pid)")
        .succeeds();
    users.sh(&format!("sleep 1; {WATCH}")).succeeds();
    users.sandbox.eventually("grep 'Podman of user alice does not answer' /tmp/watch.out");
    users.become_routes(&["web.alice.flatnet.internal web.alice stopped"], false);
    users.sh("! ls -d /tmp/*run-$(id -u alice) && ! ls -d /run/user/$(id -u alice)").succeeds();
    users
        .sh("kill $(cat /tmp/watch.pid); u=$(id -u alice); mkdir /run/user/$u; mount -t tmpfs -o mode=700 tmpfs /run/user/$u; chown alice: /run/user/$u
             as alice podman start web")
        .succeeds();
    users.sh(&format!("sleep 1; {WATCH}")).succeeds();
    users.become_routes(&["web.alice.flatnet.internal web.alice running"], false);
    users.sh("as alice podman rm -f -t 0 web").succeeds();
    users.become_routes(&[], false);
    users
        .sh("kill $(cat /tmp/watch.pid); sleep 1; pgrep -f '[p]odman ps|[t]imeout --signal' || true")
        .prints_exactly("");
}

/// Bob's Podman opens a pipe as its configuration, and waits for a writer. Then it prints more than anybody reads.
fn podman_that_hangs_or_floods_costs_only_its_user(users: &Users) {
    users.sh("flatnet gateway install").succeeds();
    users.run_as("bob", "web", "");
    users.become_routes(&["web.bob.flatnet.internal web.bob running"], true);
    users.sh(&format!("cd ~bob/.config/containers; {PIPE}")).succeeds();
    users.run_roots("first", "");
    let bobs = "web.bob.flatnet.internal web.bob running";
    let began = Instant::now();
    let synced = users.sh("flatnet gateway sync").succeeds();
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    let says =
        "Podman of user bob does not answer, and the routes to its containers stay: it was killed after";
    assert!(synced.stderr.contains(says), "{synced}");
    users.become_routes(&["first.flatnet.internal first running", bobs], true);
    users.sh(WATCH).succeeds();
    users.sandbox.eventually("pgrep -u bob -f '[p]odman ps'");
    let began = Instant::now();
    users.run_roots("second", "");
    users.run_as("alice", "web", "");
    users.become_routes(
        &[
            "first.flatnet.internal first running",
            "second.flatnet.internal second running",
            bobs,
            "web.alice.flatnet.internal web.alice running",
        ],
        false,
    );
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    users.sandbox.eventually("grep 'Podman of user bob does not answer' /tmp/watch.out");
    // Each is killed after ten seconds.
    users
        .sh("for pid in $(pgrep -u bob -f '[p]odman ps'); do timeout 20 tail --pid $pid -f /dev/null; done")
        .succeeds();
    // Its receipt tells that bob's container has ended, though Podman tells nothing.
    users.sh("pkill -KILL -u bob; while pgrep -u bob; do sleep 0.05; done; find /run/user/$(id -u bob) -mindepth 1 -delete; flatnet gc").succeeds();
    users.sandbox.eventually(&format!(
        "jq -e '.routes[] | select(.user == \"bob\") | .endpoints[0].state == \"stopped\"' {TABLE}"
    ));
    users.sh("podman rm -f -t 0 first second; kill $(cat /tmp/watch.pid); cd ~bob/.config/containers; rm containers.conf; mv kept containers.conf").succeeds();
    users.sh("seq -f 'flatnet.%.0f=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' 120000 >/tmp/labels; chmod 644 /tmp/labels").succeeds();
    users.sh(&format!("as bob podman create --name big --label-file /tmp/labels --network flatnet {IMAGE}; as bob podman start web")).succeeds();
    let synced = users.sh("flatnet gateway sync").succeeds();
    assert!(synced.stderr.contains("prints more than"), "{synced}");
    users.become_routes(&[bobs, "web.alice.flatnet.internal web.alice running"], true);
    users.sh("as bob podman rm big").succeeds();
    let synced = users.sh("flatnet gateway sync").succeeds();
    assert_eq!(synced.stderr, "");
}

/// Alice's Podman has a network of the same name of its own, in which her containers have addresses and names of others'.
fn podman_that_lies_gets_nothing_of_others(users: &Users) {
    users.sh(GATEWAY).succeeds();
    users.run_roots("web", "");
    users.run_as("alice", "mine", "");
    users.become_routes(
        &["web.flatnet.internal web running", "mine.alice.flatnet.internal mine.alice running"],
        true,
    );
    let address =
        users.sh("podman inspect web --format '{{.NetworkSettings.Networks.flatnet.IPAddress}}'").stdout;
    // A network of her own, made by Podman's usual driver, takes the name of Flatnet's.
    let lie = format!(
        "set -e; as alice podman network create --subnet 10.99.1.0/24 lie >/dev/null
         cd ~alice; for folder in .config/cni/net.d .local/share/containers/storage/networks; do
             [[ -d $folder ]] || continue
             rm -f $folder/flatnet.*
             sed -i 's/\"lie\"/\"flatnet\"/; s/10\\.99/10.87/' $folder/lie.*
             mv $folder/lie.* $folder/flatnet.$(ls $folder/lie.* | sed 's/.*\\.//')
         done
         as alice podman run -d --name liar --network flatnet --ip {} --label flatnet.port=80 {IMAGE} >/dev/null
         as alice podman inspect liar --format '{{{{.State.Status}}}} {{{{.NetworkSettings.Networks.flatnet.IPAddress}}}}'",
        address.trim()
    );
    users.sh(&lie).prints(&format!("running {}", address.trim()));
    users.sh("flatnet gateway sync").succeeds();
    let routes = users.routes();
    assert_eq!(
        routes,
        [
            "web.flatnet.internal web running",
            "mine.alice.flatnet.internal mine.alice running",
            "liar.alice: it has no address yet",
        ]
    );
}
