# shellcheck shell=bash
# cargo-deb, which writes the Debian package. To be sourced.

# Another one may write other bytes. From 3.7 on it does not compile by Rust 1.85, Debian 13's.
readonly cargo_deb=3.6.3

# Compiles it where it is missing, and puts it on the path. It packs what is built already: it need not be fast itself.
find_cargo_deb() { # TARGET-FOLDER
    PATH=$(realpath --canonicalize-missing "$1/cargo-deb/bin"):$PATH
    if [[ $(cargo-deb --version 2>/dev/null) == "cargo-deb $cargo_deb" ]]; then return; fi
    say "compiling cargo-deb (a minute, once)"
    cargo install cargo-deb --version "=$cargo_deb" --locked --debug --no-default-features --force --quiet \
        --root "$1/cargo-deb" || fail "cargo-deb could not be compiled (see above)." \
        "Install it by hand: cargo install cargo-deb --version $cargo_deb --locked"
}
