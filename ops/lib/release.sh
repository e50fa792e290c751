# shellcheck shell=bash
# Builds the release program. To be sourced.

# Without shared libraries it starts sooner and runs on any Linux of its architecture; as a position-independent executable it
# gets random addresses all the same. With --target the flags do not apply to build scripts and procedural macros, which are
# libraries. CARGO_ENCODED_RUSTFLAGS would take precedence.
build_release() { # FOLDER [FLAG..]: Cargo's target folder, and flags of rustc; sets FLATNET_BINARY
    local triple
    triple=$(rustc --version --verbose | sed -n 's/^host: //p')
    env --unset=CARGO_ENCODED_RUSTFLAGS RUSTFLAGS="-C target-feature=+crt-static ${*:2}" \
        cargo build --release --locked --target "$triple" --target-dir "$1" || return
    FLATNET_BINARY=$1/$triple/release/flatnet
}
