//! State that is truncated, zeroed, garbled, foreign, deleted or of an older version, with running containers: containers keep
//! running, no address is assigned twice, bad files are set aside and named, and DEL leaves nothing.
//!
//! The faults and checks are in `state.py`, which runs in the sandbox.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::json;

use crate::cni::CONFIG;
use crate::sandbox::Sandbox;
use crate::soak;
use crate::world::World;

/// Files that are damaged between two checks of the whole world.
const A_BATCH: usize = 20;

#[test]
fn damaged_state_harms_no_container() {
    let sandbox = Sandbox::podman4()
        .copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/state.py"), "/usr/local/bin/state.py")
        .start();
    sandbox.write(CONFIG, "subnet: 10.87.1.0/29\n");
    for name in ["a", "b", "c"] {
        sandbox.add_netns(name);
    }
    sandbox.sh("flatnet up && nft add table inet bystander").succeeds();
    let before = World::of(&sandbox).without_files();
    let files = soak::count(60);
    let mut broken: BTreeMap<String, u64> = BTreeMap::new();
    for batch in 0..files.div_ceil(A_BATCH) {
        let seed = format!("{}/{batch}", soak::seed());
        let input = json!({"seed": seed, "rounds": A_BATCH.min(files - batch * A_BATCH)});
        let output =
            sandbox.sh_with_stdin("/usr/bin/python3 /usr/local/bin/state.py", &input.to_string()).succeeds();
        let counts: BTreeMap<String, u64> = serde_json::from_str(&output.stdout).unwrap_or_default();
        for (what, count) in counts {
            *broken.entry(what).or_default() += count;
        }
        before.assert_is_back_but_for_files(&sandbox);
    }
    soak::report(files, 0, &json!(broken));
    assert!(broken.len() >= 20, "too few kinds: {broken:?}");
}
