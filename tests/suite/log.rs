//! One log line for each operation: to journald if it runs, otherwise to the file.

use serde_json::Value;

use crate::cni::{Call, host};

/// Listens in journald's place, and writes the first entry to /tmp/journal.
const JOURNALD: &str = r"
mkdir -p /run/systemd/journal
exec python3 - <<'PYTHON'
import os, socket
listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listener.bind('/run/systemd/journal/socket')
listener.settimeout(30)
open('/tmp/listening', 'w').close()
with open('/tmp/journal.new', 'wb') as journal:
    journal.write(listener.recv(1 << 20))
os.rename('/tmp/journal.new', '/tmp/journal')
PYTHON
";

#[test]
fn operations_are_logged_as_json_without_journald() {
    let sandbox = host("");
    sandbox.add_netns("c1");
    Call::add("c1").var("CNI_ARGS", "K8S_POD_NAME=web").run(&sandbox).succeeds();
    Call::del("c1").run(&sandbox).succeeds_silently();
    let lines: Vec<Value> = sandbox
        .read("/var/log/flatnet/flatnet.log")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let operations: Vec<&str> = lines.iter().map(|line| line["operation"].as_str().unwrap()).collect();
    assert_eq!(operations, ["add", "del"]);
    let add = &lines[0];
    for (field, wanted) in [("outcome", "ok"), ("container", "c1"), ("name", "web"), ("address", "10.87.1.2")]
    {
        assert_eq!(add[field], wanted, "{field} of {add:#}");
    }
    let commands: Vec<&str> =
        add["steps"].as_array().unwrap().iter().map(|step| step["command"].as_str().unwrap()).collect();
    assert!(commands.contains(&"ip -batch -") && commands.contains(&"ip -n c1 -batch -"), "{commands:?}");
    assert!(add["milliseconds"].as_f64().unwrap() > 0.0 && add["time"].as_str().unwrap().ends_with('Z'));
}

#[test]
fn a_failure_is_logged_with_its_code() {
    let sandbox = host("");
    sandbox.add_netns("c1");
    let said = Call::add("c1").var("CNI_ARGS", "IP=10.87.1.1").run(&sandbox).fails();
    let line: Value = serde_json::from_str(&sandbox.read("/var/log/flatnet/flatnet.log")).unwrap();
    assert_eq!((&line["outcome"], &line["code"]), (&"failed".into(), &"FLAT-E043".into()), "{line:#}");
    let logged = line["error"].as_str().unwrap();
    assert!(said.ends_with(logged), "{logged} is not what the runtime got: {said}");
}

#[test]
fn journald_gets_log_instead_of_file() {
    let sandbox = host("");
    let mut journald = sandbox.spawn(JOURNALD);
    sandbox.eventually("test -e /tmp/listening");
    sandbox.sh("flatnet up").succeeds();
    sandbox.eventually("test -e /tmp/journal");
    journald.wait().unwrap();
    let entry = sandbox.read("/tmp/journal");
    for line in ["SYSLOG_IDENTIFIER=flatnet", "PRIORITY=6", "FLATNET_OPERATION=up", "FLATNET_OUTCOME=ok"] {
        assert!(entry.lines().any(|found| found == line), "{line} is missing in:\n{entry}");
    }
    assert!(entry.lines().all(|line| line.contains('=')), "an entry is lines of NAME=value:\n{entry}");
    sandbox.sh("test ! -e /var/log/flatnet/flatnet.log").succeeds();
}
