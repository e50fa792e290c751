//! The XML files of Windows' scripts: the scheduled tasks', and `WinSW`'s.

use std::path::Path;

use regex::Regex;

/// The allowed children of each element, ordered if the schema has a sequence.
type Schema = &'static [(&'static str, Order, &'static [&'static str])];

#[derive(Clone, Copy, PartialEq)]
enum Order {
    Any,
    Sequence,
}

/// <https://learn.microsoft.com/openspecs/windows_protocols/ms-tsch>, as far as it is used.
const TASK: Schema = &[
    ("Task", Order::Any, &["RegistrationInfo", "Triggers", "Principals", "Settings", "Actions"]),
    ("RegistrationInfo", Order::Any, &["SecurityDescriptor", "Description"]),
    ("Triggers", Order::Any, &["LogonTrigger", "EventTrigger"]),
    (
        "LogonTrigger",
        Order::Sequence,
        &["Enabled", "StartBoundary", "EndBoundary", "Repetition", "ExecutionTimeLimit", "UserId", "Delay"],
    ),
    (
        "EventTrigger",
        Order::Sequence,
        &[
            "Enabled",
            "StartBoundary",
            "EndBoundary",
            "Repetition",
            "ExecutionTimeLimit",
            "Subscription",
            "Delay",
            "ValueQueries",
        ],
    ),
    ("Principals", Order::Any, &["Principal"]),
    ("Principal", Order::Any, &["UserId", "LogonType", "RunLevel"]),
    (
        "Settings",
        Order::Any,
        &[
            "MultipleInstancesPolicy",
            "DisallowStartIfOnBatteries",
            "StopIfGoingOnBatteries",
            "StartWhenAvailable",
            "AllowStartOnDemand",
            "ExecutionTimeLimit",
            "Priority",
        ],
    ),
    ("Actions", Order::Any, &["Exec"]),
    ("Exec", Order::Any, &["Command", "Arguments", "WorkingDirectory"]),
];

/// <https://learn.microsoft.com/windows/win32/wes/queryschema-schema>.
const QUERY: Schema =
    &[("QueryList", Order::Any, &["Query"]), ("Query", Order::Any, &["Select", "Suppress"])];

/// <https://github.com/winsw/winsw/blob/v3/docs/xml-config-file.md>.
const WINSW: Schema = &[(
    "service",
    Order::Any,
    &[
        "id",
        "name",
        "description",
        "executable",
        "startarguments",
        "stopexecutable",
        "stoparguments",
        "workingdirectory",
        "logpath",
        "onfailure",
    ],
)];

/// The violations of the schema in a document.
fn faults(text: &str, schema: Schema) -> Vec<String> {
    let tag = Regex::new(r#"<(/?)([A-Za-z]+)((?: [A-Za-z]+="[^"<]*")*)(/?)>"#).unwrap();
    let (mut faults, mut open, mut end) = (Vec::new(), Vec::<(String, Vec<String>)>::new(), 0);
    for found in tag.captures_iter(text) {
        let (whole, name) = (found.get(0).unwrap(), found[2].to_owned());
        let between = &text[end..whole.start()];
        if between.contains(['<', '>']) || (open.is_empty() && !between.trim().is_empty()) {
            faults.push(format!("not XML: {between}"));
        }
        end = whole.end();
        if &found[1] == "/" {
            match open.pop() {
                Some((opened, children)) if opened == name => {
                    faults.extend(out_of_order(&name, &children, schema));
                }
                other => faults.push(format!("</{name}> closes {other:?}")),
            }
            continue;
        }
        if let Some((_, children)) = open.last_mut() {
            children.push(name.clone());
        }
        if &found[4] != "/" {
            open.push((name, Vec::new()));
        }
    }
    faults.extend(open.iter().map(|(name, _)| format!("{name} is not closed")));
    faults
}

fn out_of_order(name: &str, children: &[String], schema: Schema) -> Option<String> {
    let (_, order, known) =
        schema.iter().find(|(parent, ..)| *parent == name).copied().unwrap_or(("", Order::Any, &[]));
    let places: Vec<_> = children.iter().map(|child| known.iter().position(|name| name == child)).collect();
    let is_wrong = places.contains(&None) || (order == Order::Sequence && !places.is_sorted());
    is_wrong.then(|| format!("{name} holds {children:?}"))
}

fn file(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("ops/windows").join(path)).unwrap()
}

/// The unescaped text of the first element of that name.
fn content(text: &str, name: &str) -> String {
    let inner = text.split_once(&format!("<{name}>")).unwrap().1.split_once(&format!("</{name}>")).unwrap().0;
    inner.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

#[test]
fn task_xml_matches_scheduler_schema() {
    let task = file("task.xml");
    assert_eq!(faults(&task, TASK), Vec::<String>::new());
    for query in task.split("<Subscription>").skip(1) {
        assert_eq!(
            faults(&content(&format!("<Subscription>{query}"), "Subscription"), QUERY),
            Vec::<String>::new()
        );
    }
    // The task runs as the user, who owns the distribution, and never elevated, because it starts WSL2 and nginx.
    assert!(task.contains("<RunLevel>LeastPrivilege</RunLevel>"), "{task}");
    assert!(
        task.contains("<LogonType>InteractiveToken</LogonType>")
            && task.contains("<MultipleInstancesPolicy>Queue<")
    );
    for event in [
        "Microsoft-Windows-Hyper-V-VmSwitch'] and EventID=232",
        "Power-Troubleshooter'] and EventID=1",
        "EventID=10000",
    ] {
        assert!(task.contains(event), "{event}");
    }
    let late = task.replace(
        "<UserId>{{user}}</UserId>\n      <Delay>PT10S</Delay>",
        "<Delay>PT10S</Delay><UserId>x</UserId>",
    );
    assert_eq!(faults(&late, TASK).len(), 1, "the scheduler refuses elements in another order");
    assert!(!faults(&task.replace("</Exec>", ""), TASK).is_empty());

    // Only its user can start it, without triggers or arguments: the request is a file that is validated.
    let elevated = file("task-elevated.xml");
    assert_eq!(faults(&elevated, TASK), Vec::<String>::new());
    assert!(elevated.contains("<Triggers/>") && elevated.contains("<UserId>S-1-5-18</UserId>"), "{elevated}");
    assert!(elevated.contains("elevated.ps1\"</Arguments>"), "{elevated}");
}

#[test]
fn service_xml_has_only_documented_elements() {
    let script = file("lib/service.ps1");
    let text = script.split_once("@\"\n").unwrap().1.split_once("\n\"@").unwrap().0;
    assert_eq!(faults(text, WINSW), Vec::<String>::new());
    assert_eq!(faults(&text.replace("startarguments", "arguments"), WINSW).len(), 1);
    let service = file("lib/gateway.ps1");
    let id =
        service.lines().find_map(|line| line.strip_prefix("$script:service = ")).unwrap().trim_matches('\'');
    assert!(id.chars().all(|char| char.is_ascii_alphanumeric()), "{id}");
    assert!(file("lib/observe.ps1").contains(&format!("Get-Service -Name '{id}'")));
}
