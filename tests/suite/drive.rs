//! Many calls in a sandbox, made by a driver inside it (`drive/*.py`): entering a sandbox takes longer than a call.

use serde_json::Value;

use crate::sandbox::Sandbox;

/// The drivers' folder inside the sandbox.
const FOLDER: &str = "/usr/local/lib/drive";

const FILES: [(&str, &str); 15] = [
    ("plugin.py", include_str!("drive/plugin.py")),
    ("asker.py", include_str!("drive/asker.py")),
    ("cycle.py", include_str!("drive/cycle.py")),
    ("dns_server.py", include_str!("drive/dns_server.py")),
    ("first_query.py", include_str!("drive/first_query.py")),
    ("fuse.py", include_str!("drive/fuse.py")),
    ("hostile.py", include_str!("drive/hostile.py")),
    ("hostile_calls.py", include_str!("drive/hostile_calls.py")),
    ("hostile_texts.py", include_str!("drive/hostile_texts.py")),
    ("kill.py", include_str!("drive/kill.py")),
    ("kill_service.py", include_str!("drive/kill_service.py")),
    ("mixed.py", include_str!("drive/mixed.py")),
    ("parallel.py", include_str!("drive/parallel.py")),
    ("reuse.py", include_str!("drive/reuse.py")),
    ("takeover.py", include_str!("drive/takeover.py")),
];

/// Copies the drivers into a sandbox.
pub(crate) fn install(sandbox: &Sandbox) {
    for (name, text) in FILES {
        sandbox.write(&format!("{FOLDER}/{name}"), text);
    }
}

/// Runs a driver, which reads `plan` and prints its results. It must end within two minutes.
#[track_caller]
pub(crate) fn drive(sandbox: &Sandbox, driver: &str, plan: &Value) -> Value {
    let script = format!("exec /usr/bin/python3 -B {FOLDER}/{driver}.py");
    let output = sandbox.sh_with_stdin(&script, &plan.to_string()).succeeds();
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}\n{output}"))
}

/// The list of numbers at `key`.
pub(crate) fn numbers(answer: &Value, key: &str) -> Vec<f64> {
    answer[key].as_array().into_iter().flatten().filter_map(Value::as_f64).collect()
}

/// The list of texts at `key`.
pub(crate) fn texts(answer: &Value, key: &str) -> Vec<String> {
    answer[key].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}
