# Converts `cargo metadata` to a bill of materials in CycloneDX 1.5: the crates that are compiled into the program or used to
# build it. $lock has Cargo.lock's checksums by "name version"; $time is the commit's time, so that the output is reproducible.

def purl: "pkg:cargo/\(.name)@\(.version)";

# Old crates write "MIT/Apache-2.0" for SPDX's "MIT OR Apache-2.0".
def licence: .license | gsub(" */ *"; " OR ");

def component($lock): {
    type: "library",
    "bom-ref": purl,
    name,
    version,
    description: (.description // "" | gsub("[[:space:]]+"; " ")),
    licenses: [{expression: licence}],
    hashes: [{alg: "SHA-256", content: $lock["\(.name) \(.version)"]}],
    purl: purl,
    externalReferences: [.repository | values | {type: "vcs", url: .}]
};

# A crate's dependencies without dev-dependencies.
def needs: [.deps[] | select(any(.dep_kinds[]; .kind != "dev")) | .pkg];

def reachable($nodes): def more: . as $known | ($known + [$known[] | $nodes[.] | needs[]] | unique)
    | if length == ($known | length) then . else more end; more;

(.packages | map({key: .id, value: .}) | from_entries) as $packages
| (.resolve.nodes | map({key: .id, value: .}) | from_entries) as $nodes
| .resolve.root as $root
| ([$root] | reachable($nodes)) as $used
| ($packages[$root] | {type: "application", "bom-ref": purl, name, version, description, licenses: [{expression: licence}], purl: purl,
    externalReferences: [{type: "vcs", url: .repository}]}) as $flatnet
| {
    "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.5",
    version: 1,
    metadata: {timestamp: ($time | tonumber | todate), component: $flatnet},
    components: [$used[] | select(. != $root) | $packages[.] | component($lock)] | sort_by(."bom-ref"),
    dependencies: [$used[] | {ref: ($packages[.] | purl), dependsOn: ([$nodes[.] | needs[] | $packages[.] | purl] | unique)}] | sort_by(.ref)
}
