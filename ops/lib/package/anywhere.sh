#!/usr/bin/env bash
# Installs the tarball of ops/package in systems other than the one that built it, and attaches a container there. Also runs the
# program in a folder that holds nothing else. Started by `ops/test anywhere`.
#
#   ops/lib/package/anywhere.sh [SYSTEM..]    bullseye, bookworm, trixie, noble (a minute each the first time), arm64: the tarball
#                                             for aarch64 on this machine, emulated by qemu, and the suite's tests of the CNI plugin
#                                             with it (default: all)
#
# Environment: FLATNET_ANYWHERE       the folder of the systems (/var/cache/flatnet-test/anywhere)
#              FLATNET_DEBIAN_MIRROR, FLATNET_UBUNTU_MIRROR (debian.sh, boot/systems.sh)
#              FLATNET_BINARY         the program to package (built by ops/package if unset)
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../../.."
# shellcheck source=ops/lib/install.sh
source ops/lib/install.sh
# shellcheck source=ops/lib/debian.sh
source ops/lib/debian.sh
# shellcheck source=ops/lib/boot/systems.sh
source ops/lib/boot/systems.sh

readonly systems=${FLATNET_ANYWHERE:-/var/cache/flatnet-test/anywhere} target=${CARGO_TARGET_DIR:-target}

tree_is_made() { [[ -x $systems/$suite/usr/sbin/nft ]]; }

# The packages that Flatnet runs, which are in universe on Ubuntu.
finish_tree() { # TREE
    local component=main
    if is_ubuntu "$suite"; then component='main universe'; fi
    printf 'deb %s %s %s\n' "$mirror" "$suite" "$component" >"$1/etc/apt/sources.list"
    cp /etc/resolv.conf "$1/etc/resolv.conf"
    chroot "$1" sh -ec 'apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends \
        iproute2 nftables procps conntrack util-linux iputils-ping' >>"$systems/$suite.log" 2>&1
}

# Runs in the system: by what INSTALL.txt says, then as a container runtime.
# shellcheck disable=SC2016 # the inner shell's variables
readonly attach='
    cd /root && tar -xzf flatnet.tar.gz && cd flatnet-*-linux
    ./install.sh
    mkdir -p /etc/flatnet && echo "mtu: 1400${yaml-}" >/etc/flatnet/flatnet.yaml
    nft --version
    flatnet up
    ip netns add c1
    call() {
        echo "{\"cniVersion\":\"1.0.0\",\"name\":\"flatnet\",\"type\":\"flatnet\"}" |
            CNI_COMMAND=$1 CNI_CONTAINERID=c1 CNI_NETNS=/run/netns/c1 CNI_IFNAME=eth0 CNI_PATH=/usr/local/bin flatnet
    }
    call ADD
    ping -c 1 -W 5 10.87.1.2
    ip netns exec c1 ping -c 1 -W 5 10.87.1.1
    call DEL
    flatnet down
    ./install.sh --remove'

try_in() { # SUITE
    local status=0 log=$systems/$1.out
    ops/lib/sandbox.sh --tree "$systems/$1" --copy "$tarball:/root/flatnet.tar.gz" sh -ec "$attach" >"$log" 2>&1 || status=$?
    # Debian 11 has nft 0.9.8, which is too old. The program runs there and says so.
    if [[ $1 == bullseye ]] && grep -q 'too old: Flatnet needs nft' "$log"; then
        say "$1: runs, and refuses nft 0.9.8"
    elif ((status == 0)); then
        say "$1: ok"
    else
        cat "$log" >&2
        fail "" "$1: failed; the output is above."
    fi
}

# The plugin as a runtime calls it. Flatnet cannot start its resolver there, because the kernel does not know how to run it.
# shellcheck disable=SC2016 # the inner shell's variables
readonly emulate='
    cd /root && tar -xzf flatnet.tar.gz && mv flatnet-*-linux/bin/flatnet /root/flatnet-arm64
    printf "#!/bin/sh\nexec qemu-aarch64 /root/flatnet-arm64 \"\$@\"\n" >flatnet && chmod 755 flatnet
    mv flatnet flatnet-*-linux/bin/
    tar -czf flatnet.tar.gz flatnet-*-linux && rm -r flatnet-*-linux
    yaml="
names: {enabled: false}"'

try_arm64() {
    local log=$systems/arm64.out
    install_missing "emulating aarch64" qemu-aarch64:qemu-user
    if ! ops/lib/sandbox.sh --copy "$(tarball_for arm64):/root/flatnet.tar.gz" sh -ec "$emulate $attach" >"$log" 2>&1; then
        cat "$log" >&2
        fail "" "arm64: failed; the output is above."
    fi
    say "arm64: ok"
}

# What qemu runs instead of the program. The kernel cannot run the program itself: setsid, by which it starts its resolver, calls
# qemu as well.
emulated() { # PROGRAM
    cat <<END
#!/bin/sh
if ! [ -e /usr/sbin/setsid ]; then
    printf '#!/bin/sh\nexec /usr/bin/setsid "\$1" qemu-aarch64 "\$2" "\$3"\n' >/usr/sbin/setsid.\$\$
    chmod 755 /usr/sbin/setsid.\$\$
    mv /usr/sbin/setsid.\$\$ /usr/sbin/setsid
fi
exec qemu-aarch64 -0 "\$0" '$1' "\$@"
END
}

# The suite's tests of the CNI plugin, with the build that they run here, compiled for aarch64: ten minutes on two cores.
suite_arm64() {
    local wrapper=$systems/flatnet-arm64
    emulated "$(ops/lib/package/arm64.sh --tests)" >"$wrapper"
    chmod 755 "$wrapper"
    FLATNET_TEST_PROGRAM=$wrapper cargo test --locked --features faults --test suite -- cni_input:: cni_lifecycle:: cni_versions::
}

tarball_for() { echo "$target"/package/flatnet-*-"$1"-linux.tar.gz; } # ARCH

require_root "anywhere.sh"
install_debootstrap
(($# > 0)) || set -- bullseye bookworm trixie noble arm64
if [[ " $* " == *" arm64 "* ]]; then ops/package --arm64; else ops/package; fi
tarball=$(tarball_for "$(dpkg --print-architecture)")
mkdir -p "$systems/empty"
tar -xzf "$tarball" --directory "$systems/empty" --strip-components 2 --wildcards '*/bin/flatnet'
chroot "$systems/empty" /flatnet --version
passed=1
for suite in "$@"; do
    if [[ $suite == arm64 ]]; then
        try_arm64
        suite_arm64
    else
        use_mirror_of "$suite"
        make_debian_once "$suite" "$systems/$suite"
        try_in "$suite"
    fi
    passed=$((passed + 1))
done
echo "test result: systems. $passed passed; 0 failed; 0 ignored"
