//! Calls the binary as a container runtime calls a CNI plugin, and parses its answer.

#![allow(
    clippy::panic,
    clippy::expect_used,
    dead_code,
    reason = "a panic is a failed test; this is a vocabulary"
)]

use std::fmt::Write as _;

use flatnet::model::types::{AttachmentId, NetworkName};
use serde_json::{Value, json};

use crate::sandbox::{FLATNET, Sandbox};

/// The path of the YAML file.
pub(crate) const CONFIG: &str = "/etc/flatnet/flatnet.yaml";
/// All supported versions of the specification.
pub(crate) const VERSIONS: [&str; 7] = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];

/// A sandbox with this configuration and without a container.
pub(crate) fn host(config: &str) -> Sandbox {
    let sandbox = Sandbox::podman4().start();
    sandbox.write(CONFIG, config);
    sandbox
}

/// One call: environment and standard input.
#[derive(Clone, Debug)]
#[must_use = "a call does nothing until it is run"]
pub(crate) struct Call {
    environment: Vec<(String, String)>,
    conf: Value,
    stdin: Option<String>,
    prefix: String,
}

/// The outcome of a call.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// The JSON document on standard output; null if there was no output.
    pub(crate) json: Value,
    pub(crate) status: Option<i32>,
    pub(crate) stderr: String,
    call: String,
}

impl Call {
    /// `CNI_COMMAND=command` for the container `id`, whose namespace is `/run/netns/ID`, in version 1.0.0.
    pub(crate) fn new(command: &str, id: &str) -> Self {
        let netns = format!("/run/netns/{id}");
        let variables = [
            ("CNI_COMMAND", command),
            ("CNI_CONTAINERID", id),
            ("CNI_NETNS", netns.as_str()),
            ("CNI_IFNAME", "eth0"),
            ("CNI_PATH", "/opt/cni/bin"),
        ];
        Self {
            environment: variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
            conf: json!({"cniVersion": "1.0.0", "name": "flatnet", "type": "flatnet"}),
            stdin: None,
            prefix: String::new(),
        }
    }

    pub(crate) fn add(id: &str) -> Self {
        Self::new("ADD", id)
    }

    pub(crate) fn del(id: &str) -> Self {
        Self::new("DEL", id)
    }

    /// CHECK with the result of ADD.
    pub(crate) fn check(id: &str, result: &Value) -> Self {
        Self::new("CHECK", id)
            .version(result["cniVersion"].as_str().unwrap_or_default())
            .conf("prevResult", result.clone())
    }

    /// GC with these attachments as valid.
    pub(crate) fn gc(valid: &[(&str, &str)]) -> Self {
        let valid: Vec<Value> =
            valid.iter().map(|(id, ifname)| json!({"containerID": id, "ifname": ifname})).collect();
        Self::new("GC", "").version("1.1.0").conf("cni.dev/valid-attachments", json!(valid)).bare()
    }

    pub(crate) fn status() -> Self {
        Self::new("STATUS", "").version("1.1.0").bare()
    }

    /// Removes the variables that name an attachment.
    fn bare(self) -> Self {
        self.without("CNI_CONTAINERID").without("CNI_NETNS").without("CNI_IFNAME")
    }

    /// Sets `cniVersion`; an empty one omits it.
    pub(crate) fn version(mut self, version: &str) -> Self {
        self.conf["cniVersion"] = json!(version);
        if version.is_empty() {
            self.conf.as_object_mut().map(|conf| conf.remove("cniVersion"));
        }
        self
    }

    /// Sets a field of the network configuration.
    pub(crate) fn conf(mut self, key: &str, value: Value) -> Self {
        self.conf[key] = value;
        self
    }

    /// Sets an environment variable.
    pub(crate) fn var(self, name: &str, value: &str) -> Self {
        let mut call = self.without(name);
        call.environment.push((name.to_owned(), value.to_owned()));
        call
    }

    /// Removes an environment variable.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.environment.retain(|(variable, _)| variable != name);
        self
    }

    /// Sets the path of the namespace.
    pub(crate) fn netns(self, path: &str) -> Self {
        self.var("CNI_NETNS", path)
    }

    /// Sets the name of the interface.
    pub(crate) fn ifname(self, name: &str) -> Self {
        self.var("CNI_IFNAME", name)
    }

    /// Passes this text instead of a network configuration.
    pub(crate) fn stdin(mut self, text: &str) -> Self {
        self.stdin = Some(text.to_owned());
        self
    }

    /// Starts the plugin through this command, such as `setpriv --reuid 65534`.
    pub(crate) fn through(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.prefix);
        self
    }

    /// A shell command that makes this call, including its standard input, for scripts that make several calls.
    pub(crate) fn script(&self) -> String {
        format!("{} <<<{}", self.command(), quoted(&self.input()))
    }

    fn command(&self) -> String {
        let mut command = "env".to_owned();
        for (name, value) in &self.environment {
            let _ = write!(command, " {name}={}", quoted(value));
        }
        format!("{command} {} {FLATNET}", self.prefix)
    }

    fn input(&self) -> String {
        self.stdin.clone().unwrap_or_else(|| self.conf.to_string())
    }

    /// Makes the call. Standard output must be one JSON document or empty, whether the call succeeds or not.
    #[track_caller]
    pub(crate) fn run(&self, sandbox: &Sandbox) -> Answer {
        let output = sandbox.sh_with_stdin(&self.command(), &self.input());
        let call = format!("{output}\n--- stdin\n{}", self.input());
        let json = match output.stdout.as_str() {
            "" => Value::Null,
            text => serde_json::from_str(text)
                .unwrap_or_else(|error| panic!("stdout is not one JSON document: {error}\n{call}")),
        };
        Answer { json, status: output.status, stderr: output.stderr, call }
    }
}

/// Makes all calls one after the other in one script: entering the sandbox takes longer than a cheap call.
#[track_caller]
pub(crate) fn run_all(sandbox: &Sandbox, calls: &[Call]) -> Vec<Answer> {
    let mut script = String::new();
    for call in calls {
        let _ = writeln!(
            script,
            "{} 2>/dev/null && status=0 || status=$?; printf '\\001%s\\002' $status",
            call.script()
        );
    }
    let output = sandbox.sh_with_stdin("exec bash", &script).succeeds().stdout;
    let answers: Vec<&str> = output.split_terminator('\u{2}').collect();
    assert_eq!(answers.len(), calls.len(), "one answer to each call");
    let answer = |(call, text): (&Call, &str)| {
        let (stdout, status) = text.split_once('\u{1}').unwrap_or((text, ""));
        let call = format!("{}\n--- stdout\n{stdout}", call.script());
        let json = match stdout {
            "" => Value::Null,
            _ => serde_json::from_str(stdout)
                .unwrap_or_else(|error| panic!("no JSON document: {error}\n{call}")),
        };
        Answer { json, status: status.parse().ok(), stderr: String::new(), call }
    };
    calls.iter().zip(answers).map(answer).collect()
}

impl Answer {
    /// Asserts success and returns the result.
    #[track_caller]
    pub(crate) fn succeeds(self) -> Value {
        assert_eq!(self.status, Some(0), "this was to succeed: {}\n{}", self.json["msg"], self.call);
        self.json
    }

    /// Asserts success without output.
    #[track_caller]
    pub(crate) fn succeeds_silently(self) {
        assert_eq!(self.status, Some(0), "this was to succeed: {}\n{}", self.json["msg"], self.call);
        assert_eq!(self.json, Value::Null, "a success without an answer prints nothing\n{}", self.call);
    }

    /// Asserts an error with this code in the protocol's format, and returns the message that Podman shows.
    #[track_caller]
    pub(crate) fn fails_with(self, code: u32) -> String {
        let said = self.fails();
        assert_eq!(self.json["code"], json!(code), "another code\n{}", self.call);
        said
    }

    /// Asserts an error in the protocol's format, and returns the message that Podman shows.
    #[track_caller]
    pub(crate) fn fails(&self) -> String {
        assert_eq!(self.status, Some(1), "this was to fail\n{}", self.call);
        let keys: Vec<&str> = self
            .json
            .as_object()
            .map(|object| object.keys().map(String::as_str).collect())
            .unwrap_or_default();
        assert_eq!(keys, ["cniVersion", "code", "details", "msg"], "{}", self.call);
        let text =
            |key: &str| self.json[key].as_str().unwrap_or_else(|| panic!("{key} is no text\n{}", self.call));
        assert!(VERSIONS.contains(&text("cniVersion")), "{}", self.call);
        let msg = text("msg");
        if let Err(why) = crate::errors::stands_alone(msg, &self.json["code"]) {
            panic!("the message {why}: {msg}\n{}", self.call);
        }
        msg.to_owned()
    }
}

/// The name of the host's end of an attachment to the network `flatnet`.
pub(crate) fn host_link(id: &str, ifname: &str) -> String {
    let parsed = "an ID and a name of this test";
    let id = AttachmentId { container_id: id.parse().expect(parsed), if_name: ifname.parse().expect(parsed) };
    id.host_link(&NetworkName::parse("flatnet").expect(parsed)).to_string()
}

/// The address in a result of 0.3.0 or later.
#[track_caller]
pub(crate) fn address(result: &Value) -> String {
    let address = result["ips"][0]["address"].as_str().unwrap_or_else(|| panic!("no address in {result}"));
    address.split('/').next().unwrap_or_default().to_owned()
}

/// Quotes `text` for the shell.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
