#!/usr/bin/env bash
# Installs the packages that the other scripts need. To be sourced.
#
#   install_host      to run Flatnet on this machine: Podman, nft, ip, conntrack, ..
#   install_runtime   the same and netavark, for sandboxes; on a new machine, Podman 4 would then use it instead of CNI
#   install_build     to compile: a C compiler and Rust, which is added to PATH
#   install_package   to make packages, in addition to install_build
#   install_gateway   to run the HTTP gateway on this machine: nginx with Lua, without its default service
#   install_browser   Chromium, for the quickstart's screenshot, if it is packaged
#   install_lint      Rust's formatter and linter, in addition to install_build
#   install_test      to run the tests, in addition to install_runtime
#   install_boot      to boot systems: qemu, debootstrap, a DHCP server that is not started
#
# For Debian 12, Debian 13 and Ubuntu 24.04, as root. Installs only missing packages; if none is missing, it neither
# calls apt nor needs root. Messages go to stderr.

# The oldest Rust that compiles Flatnet (rust-version in Cargo.toml).
readonly rust_minimum=85

say() { printf '%s\n' "$*" >&2; }

fail() { # LINE..: the last one is the remedy
    printf '%s\n' "$@" >&2
    exit 1
}

require_root() { # NAME
    [[ $(id -u) == 0 ]] || fail "$1 must run as root." "Run: sudo $1"
}

# --- what is missing ------------------------------------------------------------------------------

# A need is "THING:PACKAGE". THING is a command, or a file if it begins with "/"; alternatives are separated
# by "|". sbin is searched too, because it is not on every user's PATH.
is_there() { # THING
    local thing things
    IFS='|' read -ra things <<<"$1"
    for thing in "${things[@]}"; do
        if [[ $thing == /* ]]; then
            # Unquoted, so that it can be a pattern.
            compgen -G "$thing" >/dev/null && return
        else
            PATH=$PATH:/usr/sbin:/sbin command -v "$thing" >/dev/null && return
        fi
    done
    return 1
}

install_missing() { # PURPOSE NEED..
    local purpose=$1 need missing=()
    shift
    for need in "$@"; do
        is_there "${need%%:*}" || missing+=("${need#*:}")
    done
    if ((${#missing[@]} > 0)); then install_packages "$purpose" "${missing[@]}"; fi
}

install_packages() { # PURPOSE PACKAGE..
    local purpose=$1
    shift
    require_apt "$@"
    require_root "Installing packages"
    update_package_lists
    say "installing for $purpose: $*"
    apt_get install --no-install-recommends "$@" || fail "The packages for $purpose could not be installed (see above)." \
        "Fix the error of apt-get, or install them by hand: apt-get install $*"
}

require_apt() { # PACKAGE..
    command -v apt-get >/dev/null || fail "apt-get is missing: this is not Debian or Ubuntu." \
        "Install the equivalents of these Debian packages: $*"
}

# New systems have no package lists, and those of old systems are outdated. Once per run is enough.
update_package_lists() {
    [[ -z ${package_lists_are_new-} ]] || return 0
    require_root "apt-get update"
    say "reading the package lists"
    # A failing third-party repository does not matter as long as the packages are found.
    apt_get update || say "warning: apt-get update failed in part (see above); continuing with the existing lists"
    package_lists_are_new=1
}

# Never prompts, including about configuration files and services to restart. Prints its output only if it fails.
# Waits for another running apt (a new machine that updates itself).
apt_get() {
    local output
    if ! output=$(DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l apt-get -q -y -o DPkg::Lock::Timeout=300 \
        -o Dpkg::Options::=--force-confold "$@" 2>&1 </dev/null); then
        tail -n 20 <<<"$output" >&2
        return 1
    fi
}

# --- the sets -------------------------------------------------------------------------------------

# Without netavark: if it is installed, Podman 4 uses it instead of CNI, and that version does not support plugins.
# Podman 5 depends on it.
install_host() {
    install_missing "running Flatnet" \
        ip:iproute2 nft:nftables sysctl:procps conntrack:conntrack nsenter:util-linux \
        podman:podman crun:crun conmon:conmon curl:curl /etc/ssl/certs/ca-certificates.crt:ca-certificates ping:iputils-ping
    # For Podman 4's own networks.
    if podman_is_old; then install_missing "Podman's own networks" /usr/lib/cni/bridge:containernetworking-plugins; fi
    install_busybox
}

podman_is_old() { # before 5
    local version
    version=$(podman --version) && version=${version##* } && ((${version%%.*} < 5))
}

# In a sandbox Podman's backend is configured, so both can be installed.
install_runtime() {
    install_host
    install_missing "running other networks beside it" \
        /usr/lib/cni/bridge:containernetworking-plugins \
        '/usr/lib/podman/netavark|/usr/libexec/podman/netavark:netavark' \
        '/usr/lib/podman/aardvark-dns|/usr/libexec/podman/aardvark-dns:aardvark-dns'
}

install_test() {
    install_runtime
    install_missing "the tests" \
        jq:jq ncat:ncat shellcheck:shellcheck python3:python3 unshare:util-linux tar:tar \
        buildah:buildah iperf3:iperf3 dig:bind9-dnsutils openssl:openssl logrotate:logrotate \
        /usr/lib/python3/dist-packages/grpc:python3-grpcio lintian:lintian \
        newuidmap:uidmap slirp4netns:slirp4netns podman-compose:podman-compose musl-gcc:musl-tools dnsmasq:dnsmasq-base tcpdump:tcpdump
    install_without_service unbound "the tests" unbound:unbound
    install_without_service containerd "the tests" containerd:containerd runc:runc
    install_gateway
    install_missing "checking the gateway's Lua" busted:lua-busted luacheck:lua-check
    install_without_service prometheus "checking metrics and alerts" promtool:prometheus
    install_debootstrap
    load_br_netfilter
}

# nginx' default service would occupy port 80; the gateway has its own service.
install_gateway() {
    install_without_service nginx "the gateway" nginx:nginx \
        /usr/lib/nginx/modules/ngx_http_lua_module.so:libnginx-mod-http-lua '/usr/lib/*/lua/5.1/cjson.so:lua-cjson'
}

# Debian starts a service on installation and at each boot. An existing one is not changed.
install_without_service() { # SERVICE PURPOSE NEED..: SERVICE is its command too
    local service=$1
    shift
    if is_there "$service"; then
        install_missing "$@"
        return
    fi
    (
        without_services
        install_missing "$@"
    )
    if command -v systemctl >/dev/null; then systemctl --quiet disable "$service" || true; fi
}

# Ubuntu's Chromium is a snap, which does not run in a sandbox: there the quickstart skips the screenshot.
install_browser() {
    local chromium=/usr/lib/chromium/chromium
    if is_there "$chromium"; then return; fi
    if [[ -z $(candidate chromium) ]]; then update_package_lists; fi
    if [[ -n $(candidate chromium) ]]; then install_missing "the screenshot of the portal" "$chromium:chromium"; fi
}

# Until this subshell ends, installed packages do not start services. The file may already exist for the same purpose.
without_services() {
    local policy=/usr/sbin/policy-rc.d
    require_root "Installing packages"
    [[ ! -e $policy ]] || return 0
    # shellcheck disable=SC2064 # the path is known now
    trap "rm -f $policy" EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
}

# Some tests need it, and a sandbox cannot load modules. The machine's bridges keep their behaviour.
load_br_netfilter() {
    local bridge=/proc/sys/net/bridge which
    [[ ! -e $bridge/bridge-nf-call-iptables ]] || return 0
    modprobe br_netfilter || fail "The kernel module br_netfilter, which tests need, cannot be loaded." \
        "Load it by hand, or run the tests on a machine where that is allowed."
    for which in iptables ip6tables arptables; do echo 0 >"$bridge/bridge-nf-call-$which"; done
}

# The package `busybox` is linked dynamically and does not run in an image without libraries.
install_busybox() {
    install_missing "test images" /var/lib/dpkg/info/busybox-static.list:busybox-static
}

install_debootstrap() {
    install_missing "making the Debian 13 tree" \
        debootstrap:debootstrap /usr/share/keyrings/debian-archive-keyring.gpg:debian-archive-keyring
}

# Only dnsmasq's program: the package dnsmasq would start its service.
install_boot() {
    install_debootstrap
    install_missing "booting systems" qemu-system-x86_64:qemu-system-x86 mkfs.ext4:e2fsprogs dnsmasq:dnsmasq-base \
        ssh:openssh-client ssh-keygen:openssh-client curl:curl
}

install_package() {
    install_build
    install_missing "packing" dpkg-shlibdeps:dpkg-dev xz:xz-utils jq:jq
}

install_build() {
    install_missing "compiling" cc:gcc /usr/include/stdlib.h:libc6-dev
    rust_is_new_enough || use_rust_from_home || use_versioned_rust || install_rust
}

# --- Rust -----------------------------------------------------------------------------------------

rust_is_new_enough() {
    command -v cargo >/dev/null && command -v rustc >/dev/null && is_new_rust "$(rustc --version 2>/dev/null)"
}

is_new_rust() { # "rustc 1.85.0 (..)" or "1.85.0+dfsg1"
    [[ $1 =~ (^|[^0-9])1\.([0-9]+)\. ]] && ((BASH_REMATCH[2] >= rust_minimum))
}

# rustup installs cargo there, which is not on the PATH of non-login shells.
use_rust_from_home() {
    [[ -x ${CARGO_HOME:-$HOME/.cargo}/bin/cargo ]] || return 1
    local old_path=$PATH
    PATH=${CARGO_HOME:-$HOME/.cargo}/bin:$PATH
    if rust_is_new_enough; then return; fi
    PATH=$old_path
    return 1
}

# Ubuntu has several versions of Rust, in /usr/lib/rust-1.NN/bin.
use_versioned_rust() {
    local folder
    while IFS= read -r folder; do
        [[ -x $folder/cargo && -x $folder/rustc ]] || continue
        is_new_rust "${folder//[!0-9.]/}." || continue
        export PATH=$folder:$PATH
        return
    done < <(compgen -G '/usr/lib/rust-1.*/bin' | sort --version-sort --reverse)
    return 1
}

# Packages with a recent Rust:
#   Debian 13      cargo, rustc (1.85)
#   Debian 12      cargo and rustc are 1.63; cargo-web and rustc-web, which browsers are built with, are newer.
#                  They replace installed packages of cargo, rustc and rustup.
#   Ubuntu 24.04   cargo and rustc are 1.75; cargo-1.NN and rustc-1.NN are newer
install_rust() {
    local suffix
    require_apt cargo rustc
    update_package_lists
    for suffix in '' -web $(versioned_rusts); do
        is_new_rust "$(candidate "cargo$suffix")" || continue
        is_new_rust "$(candidate "rustc$suffix")" || continue
        install_packages compiling "cargo$suffix" "rustc$suffix"
        hash -r
        if rust_is_new_enough || use_versioned_rust; then return; fi
    done
    fail "Flatnet needs Rust 1.$rust_minimum or newer, which no package of this system provides." \
        "Install it for this user as described on https://rustup.rs, and run this again." \
        "On Debian 12 the packages cargo-web and rustc-web have it, if bookworm-security is among the apt sources."
}

versioned_rusts() { # newest first: -1.89 -1.85 ..
    apt-cache search --names-only '^cargo-1\.[0-9]+$' 2>/dev/null | sed -n 's/^cargo\(-1\.[0-9]*\) .*/\1/p' |
        sort --version-sort --reverse
}

candidate() { # PACKAGE: the version apt would install
    apt-cache policy "$1" 2>/dev/null | sed -n 's/^ *Candidate: \([0-9].*\)/\1/p'
}

# Components of rustup; on Debian and Ubuntu, packages named after the package of rustc
# (rustc-web: rust-web-clippy, rustfmt-web; rustc-1.89: rust-1.89-clippy, rustfmt-1.89).
install_lint() {
    local owner suffix
    install_build
    if cargo fmt --version && cargo clippy --version; then return; fi >/dev/null 2>&1
    if command -v rustup >/dev/null; then
        rustup component add rustfmt clippy >&2 || fail "rustup could not add rustfmt and clippy (see above)." \
            "Run \`rustup component add rustfmt clippy\` and try again."
        return
    fi
    owner=$(dpkg-query --search "$(readlink -f "$(command -v rustc)")" 2>/dev/null) ||
        fail "cargo fmt or cargo clippy is missing, and $(command -v rustc) is neither rustup's nor a package's." \
            "Install rustfmt and clippy the way that Rust was installed."
    suffix=${owner%%:*}
    suffix=${suffix#rustc}
    install_packages linting "rust$suffix-clippy" "rustfmt$suffix"
}
