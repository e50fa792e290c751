#!/usr/bin/env bash
# Boots systems with their own kernels and systemd, and installs, breaks and removes Flatnet in them: `ops/test boot`.
# Prints a table of steps and results. Exits with 77 if nothing failed but a system could not be made.
#
#   ops/lib/boot/run.sh [SUITE..]     bookworm, trixie, noble (default: all; 20 minutes each without KVM)
#
# Everything runs in a sandbox with its own LAN, whose other hosts are namespaces. The folder that is printed at the end has the
# output of each step, the machine's console and its disk.
#
# Environment: FLATNET_BOOT, FLATNET_DEBIAN_MIRROR, FLATNET_UBUNTU_MIRROR (tree.sh), FLATNET_BOOT_STEPS (steps.sh)
#              FLATNET_BOOT_ACCELERATOR  kvm or tcg (default: kvm if it boots a kernel)
#              FLATNET_BINARY            the program to package (built by ops/package if unset)
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../../.."
# shellcheck source=ops/lib/install.sh
source ops/lib/install.sh
# shellcheck source=ops/lib/boot/systems.sh
source ops/lib/boot/systems.sh

readonly target=${CARGO_TARGET_DIR:-target}

# /dev/kvm may exist and not work. So this boots a kernel, which exits for lack of a disk.
find_accelerator() { # TREE
    local kernel
    kernel=$(compgen -G "$1/boot/vmlinuz-*" | tail -n 1)
    if [[ -w /dev/kvm ]] && timeout 20 qemu-system-x86_64 -accel kvm -cpu max -m 512 -nodefaults -display none -no-reboot \
        -kernel "$kernel" -append 'panic=-1' </dev/null >/dev/null 2>&1; then
        echo kvm
    else
        echo tcg
    fi
}

# Prepares the second disk: the package, the container images and check.sh.
prepare_files() {
    local brought=$boot/brought
    rm -rf "$brought"
    mkdir -p "$brought"
    ops/package >&2
    ops/lib/images.sh make busybox web
    cp "$target"/package/flatnet_*.deb "${FLATNET_IMAGES:-/var/cache/flatnet-test/images}"/{busybox,web}.tar \
        ops/lib/{images,install}.sh ops/lib/boot/check.sh "$brought"
}

boot_one() { # SUITE
    local tree work=$boot/run-$1
    mkdir -p "$work"
    rm -f "$work"/*.log "$work/machine.pid"
    tree=$(ops/lib/boot/tree.sh "$1") || { printf 'the system\tskipped: could not be made, see above\n' >"$work/results"; return; }
    export FLATNET_BOOT_ACCELERATOR=${FLATNET_BOOT_ACCELERATOR:-$(find_accelerator "$tree")}
    say "$(name_of "$1") ($FLATNET_BOOT_ACCELERATOR):"
    ops/lib/sandbox.sh --bind "$boot:$boot" ops/lib/boot/steps.sh "$1" || printf 'until the end\tfailed: see above\n' >>"$work/results"
}

table() { # SUITE..
    local suite name
    printf '\n%-14s  %-38s  %s\n' SYSTEM STEP RESULT
    for suite in "$@"; do
        while IFS=$'\t' read -r name result; do
            printf '%-14s  %-38s  %s\n' "$(name_of "$suite")" "$name" "$result"
        done <"$boot/run-$suite/results"
    done
    printf '\nOutput: %s\n' "$boot/run-*"
}

count() { # SUITE..
    cat "${@/%//results}" | awk -F '\t' '$2 == "ok" { ok++ } $2 ~ /^failed/ { failed++ } $2 ~ /^skipped/ { skipped++ }
        END { printf "test result: boots. %d passed; %d failed; %d ignored\n", ok, failed, skipped; exit failed ? 1 : skipped ? 77 : 0 }'
}

main() {
    local suite
    (($# > 0)) || set -- "${suites[@]}"
    for suite in "$@"; do check_suite "$suite"; done
    require_root "boot/run.sh"
    install_boot
    prepare_files
    for suite in "$@"; do boot_one "$suite"; done
    table "$@"
    count "${@/#/$boot/run-}"
}

main "$@"
