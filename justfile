# Recipes for those who work on Flatnet: `just` lists them. Operators need only ./ops/quickstart.

set shell := ["bash", "-euo", "pipefail", "-c"]

_default:
    @just --list --unsorted

# Debug build
[group('build')]
build:
    cargo build --locked

# Release build, as it is shipped
[group('build')]
release:
    cargo build --locked --release

# Debian package, tarball, bill of materials and checksums, in target/package
[group('build')]
package:
    ./ops/package

# The whole job in a sandbox, shown step by step
[group('build')]
quickstart *OPTIONS:
    ./ops/quickstart {{ OPTIONS }}

# After a small change: lint, and every test that needs neither root nor a kernel
[group('test')]
quick:
    cargo clippy --locked --all-targets --features faults -- -D warnings
    cargo test --locked --features faults --lib --bins --test pure

# What CI runs
[group('test')]
ci:
    ./.ci/run

# All checks and tests, or those named (`just test lint unit`)
[group('test')]
test *NAMES:
    ./ops/test {{ NAMES }}

# Tests in sandboxes whose name contains NAME
[group('test')]
suite NAME='':
    cargo test --locked --features faults --test suite {{ NAME }}

# The gateway with real nginx: its tests in sandboxes
[group('test')]
gateway:
    cargo test --locked --features faults --test suite gateway

# luacheck and specs of the gateway's Lua (`just lua --filter NAME` runs some)
[group('test')]
lua *OPTIONS:
    luacheck --no-color .
    busted {{ OPTIONS }}

# Kills, storms and broken state for hours, resumable (`just soak --quick`)
[group('test')]
soak *ROWS:
    ./ops/soak {{ ROWS }}

# Rewrite the golden plans; the difference is for review
[group('test')]
golden:
    FLATNET_GOLDEN=write cargo test --locked --features faults --test pure -- golden floors

# Format, clippy, shellcheck, documentation, licences
[group('lint')]
lint:
    ./ops/test format lint shell docs licences

# Format all Rust
[group('lint')]
format:
    cargo fmt

# Known vulnerabilities in the dependency tree (asks github.com)
[group('lint')]
advisories:
    cargo deny check advisories

# ADD and DEL against the reference plugins, netavark and the floor
[group('bench')]
bench *OPTIONS:
    ./ops/bench attach {{ OPTIONS }}

# What passes to containers, against plain veth and Podman's own bridge
[group('bench')]
bench-traffic *OPTIONS:
    ./ops/bench traffic {{ OPTIONS }}

# The HTTP gateway against a static nginx, haproxy and caddy
[group('bench')]
bench-gateway *OPTIONS:
    ./ops/bench gateway {{ OPTIONS }}

# The resolver against aardvark-dns and dnsmasq
[group('bench')]
bench-names *OPTIONS:
    ./ops/bench names {{ OPTIONS }}

# The API documentation, opened in a browser
[group('docs')]
docs:
    cargo doc --locked --no-deps --open
