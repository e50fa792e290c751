# shellcheck shell=bash
# Installs cargo-deb, which writes the Debian package. To be sourced.

# Fixed, because another version may write other bytes. Version 3.7 does not compile with Rust 1.85, Debian 13's.
readonly cargo_deb=3.6.3

# Compiles it if it is missing, and adds it to PATH. A debug build, because its own speed does not matter.
find_cargo_deb() { # TARGET-FOLDER
    PATH=$(realpath --canonicalize-missing "$1/cargo-deb/bin"):$PATH
    if [[ $(cargo-deb --version 2>/dev/null) == "cargo-deb $cargo_deb" ]]; then return; fi
    say "compiling cargo-deb (a minute, once)"
    cargo install cargo-deb --version "=$cargo_deb" --locked --debug --no-default-features --force --quiet \
        --root "$1/cargo-deb" || fail "cargo-deb could not be compiled (see above)." \
        "Install it by hand: cargo install cargo-deb --version $cargo_deb --locked"
}
