//! Many containers at once: no error, no address assigned twice, nothing left.

use serde_json::json;

use crate::cni::host;
use crate::drive::{self, drive};
use crate::soak;
use crate::world::World;

#[test]
fn parallel_adds_then_dels() {
    // The last of a hundred containers waits for all others, on a busy machine longer than the default limit.
    let sandbox = host("limits: {lock_seconds: 120}\n");
    drive::install(&sandbox);
    let before = World::of(&sandbox).without_files();
    let containers = soak::count(100);
    // Any of the runs may be the first, which sets up the host.
    let answer = drive(&sandbox, "parallel", &json!({"containers": containers}));
    let wrong = drive::texts(&answer, "wrong");
    let figures = json!({"errors": wrong.len(), "ms for all ADDs": [answer["add"]], "ms for all DELs": [answer["del"]]});
    soak::report(containers, 0, &figures);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    sandbox.sh("flatnet down").succeeds();
    before.assert_is_back_but_for_files(&sandbox);
    sandbox
        .sh("ls -A /var/lib/flatnet/flatnet/receipts /run/flatnet/flatnet")
        .prints_exactly("/run/flatnet/flatnet:\nowner\nruleset.lock\n\n/var/lib/flatnet/flatnet/receipts:");
}

#[test]
fn mixed_commands_cause_no_errors() {
    let sandbox = host("limits: {lock_seconds: 120}\n");
    drive::install(&sandbox);
    sandbox.sh("flatnet up").succeeds();
    let before = World::of(&sandbox);
    let seconds = soak::count(5);
    let answer = drive(&sandbox, "mixed", &json!({"seconds": seconds, "seed": soak::seed()}));
    let wrong = drive::texts(&answer, "wrong");
    let mut figures = answer["counts"].clone();
    figures["errors"] = json!(wrong.len());
    soak::report(seconds, 0, &figures);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    before.assert_is_back(&sandbox);
    // Without further changes, no problem is reported.
    sandbox.sh("flatnet status && flatnet rules --live").succeeds();
    let counted = |what: &str| answer["counts"][what].as_u64().unwrap_or_default();
    assert!(counted("DEL") > 5 && counted("CHECK") > 5 && counted("other commands") > 5, "{answer}");
}
