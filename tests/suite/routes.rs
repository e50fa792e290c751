//! Common parts of the tests of the gateway's routes: `flatnet gateway sync` and the table that it writes.

#![allow(clippy::panic, dead_code, reason = "a panic is a failed test; this is a vocabulary")]

use serde_json::Value;

use crate::podman::Lab;

/// The gateway's folder and its table.
pub(crate) const GATEWAY: &str = "/var/lib/flatnet-gateway";
pub(crate) const TABLE: &str = "/var/lib/flatnet-gateway/state/routes.json";
/// A container that listens on 5432 and does not speak HTTP.
pub(crate) const DATABASE: &str =
    "--expose 5432 flatnet-test/busybox sh -c 'while true; do echo no | nc -l -p 5432; done'";

impl Lab {
    /// Installs a gateway for Windows, so that there is a place for routes. A gateway on this host would change the
    /// ruleset.
    pub(crate) fn with_gateway(&self) -> &Self {
        self.sh("flatnet gateway install --platform windows").succeeds();
        self
    }

    /// Starts a gateway on this host, as in WSL2's mirrored mode.
    pub(crate) fn with_gateway_here(&self) {
        self.sh("flatnet gateway install; nginx -p /var/lib/flatnet-gateway -c conf/nginx.conf").succeeds();
    }

    /// Stops the gateway on this host, and closes its ports.
    pub(crate) fn without_gateway_here(&self) {
        self.sh("cd /var/lib/flatnet-gateway; kill $(cat logs/nginx.pid); rm -r conf; flatnet up").succeeds();
    }

    /// `podman run -d --name NAME --network flatnet REST`, where REST may end in a command.
    #[track_caller]
    pub(crate) fn start_container(&self, name: &str, rest: &str) {
        let image = if rest.contains("flatnet-test/") { "" } else { crate::podman::IMAGE };
        self.sh(&format!("podman run -d --name {name} --network flatnet {rest} {image}")).succeeds();
    }

    /// Makes `podman inspect` fail as a whole when it is asked about this container, as if the container's storage were
    /// broken.
    pub(crate) fn cannot_inspect(&self, name: &str) {
        let id = self.sh(&format!("podman ps -aq --no-trunc -f name='^{name}$'")).succeeds().stdout;
        let id = id.trim();
        let stand_in = format!(
            "#!/bin/sh\ncase \"$*\" in inspect*{id}*) echo 'Error: getting graph driver info \"{id}\": layer not known' >&2; exit 125 ;; esac\nexec /usr/bin/podman.real \"$@\"\n"
        );
        self.sandbox.write("/root/stand-in", &stand_in);
        // Replaces the file itself, because running programs have already resolved Podman's path.
        let replace = "podman=$(readlink -f /usr/bin/podman); mv $podman /usr/bin/podman.real; install -m 755 /root/stand-in $podman";
        self.sh(replace).succeeds();
    }

    /// Makes `podman inspect` work again.
    pub(crate) fn can_inspect(&self) {
        self.sh("cp -a /usr/bin/podman.real /usr/bin/podman.new; mv /usr/bin/podman.new $(readlink -f /usr/bin/podman)")
            .succeeds();
    }

    /// Syncs until the table is `wanted`, because a container's server takes a moment to listen.
    #[track_caller]
    pub(crate) fn syncs_to(&self, wanted: &[&str]) {
        let mut last = Vec::new();
        for _ in 0..50 {
            self.sh("flatnet gateway sync").succeeds();
            last = self.routes();
            if last == wanted {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        assert_eq!(last, wanted);
    }

    /// Waits until another process has written the `wanted` table.
    #[track_caller]
    pub(crate) fn becomes(&self, wanted: &[&str]) {
        let mut last = Vec::new();
        for _ in 0..200 {
            last = self.routes();
            if last == wanted {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        assert_eq!(last, wanted, "what watch says: {}", self.sh("cat /tmp/watch.out").stdout);
    }

    /// The lines of the table: `web.flatnet.internal / web:80 running`, and `db: why`; a warning begins with `!`.
    pub(crate) fn routes(&self) -> Vec<String> {
        let output = self.sh(&format!("cat {TABLE}"));
        let Ok(table) = serde_json::from_str::<Value>(&output.stdout) else { return Vec::new() };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let mut lines: Vec<String> = Vec::new();
        for route in list(&table["routes"]) {
            let ends: Vec<String> = list(&route["endpoints"])
                .iter()
                .map(|one| format!("{}:{} {}", text(&one["container"]), one["port"], text(&one["state"])))
                .collect();
            let host = list(&route["hosts"]).first().map_or("-".to_owned(), text);
            lines.push(format!("{host} {} {}", text(&route["path"]), ends.join(", ")));
        }
        for one in list(&table["unrouted"]) {
            let mark = if one["warning"] == true { "!" } else { "" };
            lines.push(format!("{mark}{}: {}", text(&one["container"]), text(&one["why"])));
        }
        lines
    }
}
