//! The gateway in a sandbox: real nginx with Flatnet's Lua, web servers in one network namespace as containers, and
//! clients in others.
//!
//! ```text
//! lan 192.168.7.2 ---- 192.168.7.1 \
//! guest 203.0.113.2 -- 203.0.113.1   the gateway (the sandbox itself) 10.87.0.1 ---- box 10.87.1.2 ..
//! ```
//!
//! `lan` may see the portal, `guest` may not. A container is `drive/backend.py` at an address of `box`.

use serde_json::{Value, json};

use crate::sandbox::{Output, Sandbox};

/// The gateway's directory in the sandbox.
pub(crate) const DIRECTORY: &str = "/srv/gateway";

/// The gateway's address for `lan`.
pub(crate) const ADDRESS: &str = "192.168.7.1";

const NETWORK: &str = r"
link() { # NAMESPACE ITS-ADDRESS OUR-ADDRESS
    ip netns add $1; ip -n $1 link set lo up
    ip link add name to-$1 type veth peer name eth0 netns $1
    ip addr add $3 dev to-$1; ip link set to-$1 up
    ip -n $1 addr add $2 dev eth0; ip -n $1 link set eth0 up
}
link lan 192.168.7.2/24 192.168.7.1/24
link guest 203.0.113.2/24 203.0.113.1/24
link box 10.87.1.1/16 10.87.0.1/16
for last in 2 3 4 5 6; do ip -n box addr add 10.87.1.$last/32 dev lo; done
";

const DRIVERS: [(&str, &str); 4] = [
    ("backend.py", include_str!("drive/backend.py")),
    ("browse.py", include_str!("drive/browse.py")),
    ("grpc_calls.py", include_str!("drive/grpc_calls.py")),
    ("websocket.py", include_str!("drive/websocket.py")),
];

/// A sandbox with the gateway's files and the networks around it.
pub(crate) struct Gateway {
    pub(crate) sandbox: Sandbox,
}

/// The default section `gateway` of the configuration.
pub(crate) fn settings() -> Value {
    json!({"directory": DIRECTORY, "allow": ["127.0.0.0/8", "192.168.0.0/16"]})
}

impl Gateway {
    /// Sets up the networks and runs `flatnet gateway install`. Starts nothing.
    pub(crate) fn files(settings: &Value) -> Self {
        Self::files_for("linux", settings)
    }

    pub(crate) fn files_for(platform: &str, settings: &Value) -> Self {
        let sandbox = Sandbox::podman4().start();
        sandbox.sh(&format!("{NETWORK} hostname dev-pc; mkdir -p /run/backend")).succeeds();
        // JSON is also YAML.
        sandbox.write("/etc/flatnet/flatnet.yaml", &json!({"gateway": settings}).to_string());
        sandbox.sh(&format!("flatnet gateway install --platform {platform}")).succeeds();
        for (name, text) in DRIVERS {
            sandbox.write(&format!("/usr/local/lib/drive/{name}"), text);
        }
        Self { sandbox }
    }

    /// Starts nginx with the default settings and these routes.
    pub(crate) fn start(routes: &[Value]) -> Self {
        Self::start_with(&settings(), routes)
    }

    pub(crate) fn start_with(settings: &Value, routes: &[Value]) -> Self {
        let gateway = Self::files(settings);
        gateway.write_routes(&document(1, routes));
        gateway.run();
        gateway
    }

    /// Starts nginx, as a service would.
    pub(crate) fn run(&self) {
        self.sandbox.sh(&format!("nginx -p {DIRECTORY} -c conf/nginx.conf")).succeeds();
    }

    /// Ends nginx and waits until it is gone.
    pub(crate) fn quit(&self) {
        let script =
            "pid=$(cat logs/nginx.pid); kill $pid; while kill -0 $pid 2>/dev/null; do sleep 0.02; done";
        self.sandbox.sh(&format!("cd {DIRECTORY}; {script}")).succeeds();
    }

    /// Replaces the routes table as `flatnet gateway sync` does, in one step.
    pub(crate) fn write_routes(&self, document: &Value) {
        let path = format!("{DIRECTORY}/state/routes.json");
        self.sandbox
            .sh_with_stdin(&format!("cat >{path}.new && mv {path}.new {path}"), &document.to_string())
            .succeeds();
    }

    /// Replaces the routes table, and waits until all workers use it.
    pub(crate) fn publish(&self, generation: u64, routes: &[Value]) {
        self.write_routes(&document(generation, routes));
        self.await_generation(generation);
    }

    /// Each worker reads the table by itself, so several consecutive answers must have this generation.
    pub(crate) fn await_generation(&self, generation: u64) {
        let ask = "curl -sf http://127.0.0.1/_flatnet/status | jq -e";
        self.sandbox.eventually(&format!(
            "for i in 1 2 3 4 5 6 7 8; do {ask} '.generation == {generation}' >/dev/null; done"
        ));
        // Longer than the workers' poll interval.
        self.sandbox.sh("sleep 0.3").succeeds();
    }

    /// The JSON of `/_flatnet/status`.
    pub(crate) fn status(&self) -> Value {
        let output = self.sandbox.sh("curl -sf http://127.0.0.1/_flatnet/status").succeeds();
        serde_json::from_str(&output.stdout).unwrap()
    }

    /// Starts a container at 10.87.1.`last`, port 3000, and waits until it listens.
    pub(crate) fn container(&self, name: &str, last: u8) {
        self.start_container(name, last);
        self.sandbox.eventually(&format!("ip netns exec box bash -c 'exec 3<>/dev/tcp/10.87.1.{last}/3000'"));
    }

    /// Starts a container like [`Gateway::container`], without waiting.
    pub(crate) fn start_container(&self, name: &str, last: u8) {
        let backend = "/usr/bin/python3 -B /usr/local/lib/drive/backend.py";
        self.sandbox
            .sh(&format!(
                "ip netns exec box setsid {backend} 10.87.1.{last} 3000 {name} >/run/backend/{name}.out 2>&1 </dev/null &"
            ))
            .succeeds();
    }

    /// Kills a container's server.
    pub(crate) fn kill_container(&self, name: &str) {
        self.sandbox.sh(&format!("kill -9 $(cat /run/backend/{name}.pid)")).succeeds();
    }

    /// Runs a script in the background.
    pub(crate) fn beside(&self, script: &str) {
        let run = "f=$(mktemp); cat >$f; setsid bash -eu $f >$f.out 2>&1 </dev/null &";
        self.sandbox.sh_with_stdin(run, script).succeeds();
    }

    /// The number of lines with `what` in a container's log.
    pub(crate) fn received(&self, name: &str, what: &str) -> usize {
        self.sandbox
            .read(&format!("/run/backend/{name}.log"))
            .lines()
            .filter(|line| line.contains(what))
            .count()
    }

    /// Runs curl in the namespace `from`.
    pub(crate) fn curl(&self, from: &str, arguments: &str) -> Output {
        self.sandbox.sh(&format!("ip netns exec {from} curl -sS -m 60 {arguments}"))
    }

    /// The JSON answer to a GET from the LAN, by name.
    #[track_caller]
    pub(crate) fn get(&self, url: &str) -> Value {
        let output = self.curl("lan", &format!("{} '{url}'", resolve(url))).succeeds();
        serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}\n{output}"))
    }

    /// The status code of a GET from the LAN.
    #[track_caller]
    pub(crate) fn code(&self, url: &str) -> String {
        self.curl("lan", &format!("-o /dev/null -w '%{{http_code}}' {} '{url}'", resolve(url)))
            .succeeds()
            .stdout
    }

    /// Runs a driver in the LAN.
    #[track_caller]
    pub(crate) fn drive(&self, driver: &str, plan: &Value) -> Value {
        let script = format!("exec ip netns exec lan /usr/bin/python3 -B /usr/local/lib/drive/{driver}.py");
        let output = self.sandbox.sh_with_stdin(&script, &plan.to_string()).succeeds();
        serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}\n{output}"))
    }
}

/// The sandbox has no DNS, so curl gets the name's address.
fn resolve(url: &str) -> String {
    let host = url.split('/').nth(2).unwrap_or_default();
    let (name, port) =
        host.split_once(':').unwrap_or((host, if url.starts_with("https") { "443" } else { "80" }));
    format!("--resolve {name}:{port}:{ADDRESS}")
}

/// A routes table as `flatnet gateway sync` writes it.
pub(crate) fn document(generation: u64, routes: &[Value]) -> Value {
    // serde_json sorts keys by default, so "end" is not last here. Readers must accept any order.
    json!({
        "version": 1, "generation": generation, "written": "2026-11-23T12:00:00Z",
        "host": {"name": "dev-pc", "network": "flatnet", "subnet": "10.87.1.0/24"},
        "routes": routes, "unrouted": [], "end": generation,
    })
}

/// A route to a container of the same name at 10.87.1.`last`, which was started long ago.
pub(crate) fn route(name: &str, last: u8) -> Value {
    json!({
        "name": name, "hosts": [format!("{name}.flatnet.internal"), format!("{name}.local")], "path": "/", "strip": false,
        "scheme": "http", "stream": false, "hold": 10, "health": null, "endpoints": [endpoint(name, last, "running")],
    })
}

pub(crate) fn endpoint(name: &str, last: u8, state: &str) -> Value {
    json!({
        "container": name, "id": format!("0123456789{last:02x}"), "address": format!("10.87.1.{last}"), "port": 3000,
        "state": state, "since": "2026-11-01T00:00:00Z",
    })
}

/// `value` with some of its keys replaced.
pub(crate) fn with(mut value: Value, changes: Value) -> Value {
    let (Some(object), Value::Object(changes)) = (value.as_object_mut(), changes) else {
        panic!("two objects")
    };
    object.extend(changes);
    value
}
