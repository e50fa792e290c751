# shellcheck shell=bash
# A machine that boots: its disks, its power, its screen, and a shell in it. To be sourced, inside a sandbox, after lan.sh.
#
#   make_disks           a fresh disk with the system, and one with what is brought
#   power_on             returns when its system has come up
#   power_cut            at once, as by the plug
#   power_off, reboot    as by `systemctl`
#   inside SCRIPT        runs SCRIPT in the machine by bash, as root; exits with its status
# shellcheck disable=SC2154 # $tree, $work, $brought and $accelerator are those of run.sh

readonly slow=6   # Where each instruction is translated, a boot takes minutes beside other work.

make_disks() {
    rm -f "$work/system.img" "$work/brought.img"
    truncate --size 6G "$work/system.img"
    truncate --size 512M "$work/brought.img"
    mkfs.ext4 -q -d "$tree" "$work/system.img"
    mkfs.ext4 -q -d "$brought" "$work/brought.img"
}

newest() { # PATTERN: kernels bear their version
    compgen -G "$1" | sort --version-sort | tail -n 1
}

# Where instructions are translated, those that are new cost more than they save, and so does what a kernel does against
# Meltdown at each system call. What this machine writes outlasts qemu without a flush.
power_on() {
    local cpu=qemu64
    [[ $accelerator != kvm ]] || cpu=max
    qemu-system-x86_64 -accel "$accelerator" -cpu "$cpu" -machine pc -smp 2 -m 1536 -nodefaults -no-user-config -display none \
        -kernel "$(newest "$tree/boot/vmlinuz-*")" -initrd "$(newest "$tree/boot/initrd.img-*")" \
        -append "root=/dev/vda rw console=ttyS0 mitigations=off" \
        -drive "file=$work/system.img,format=raw,if=virtio,cache=unsafe" -drive "file=$work/brought.img,format=raw,if=virtio,readonly=on" \
        -netdev tap,id=lan,ifname=tap0,script=no,downscript=no -device "virtio-net-pci,netdev=lan,mac=$machine_mac,addr=3" \
        -device virtio-rng-pci -serial "file:$work/console.$((boots += 1)).log" </dev/null >>"$work/qemu.log" 2>&1 &
    machine=$!
    await_up
}

boots=0
machine=

# "degraded": the checks say whether a unit of ours is among those that failed.
await_up() {
    local state end=$((SECONDS + 100 * slow))
    until state=$(inside 'systemctl is-system-running' 2>/dev/null) || [[ $state == degraded ]]; do
        is_on || stop_here "qemu ended" "$work/qemu.log"
        ((SECONDS < end)) || stop_here "the machine did not come up; it said last that it is \"$state\"" "$work/console.$boots.log"
        sleep 1
    done
}

is_on() { [[ -n $machine ]] && kill -0 "$machine" 2>/dev/null; }

stop_here() { # WHAT LOG
    tail -n 15 "$2" >&2
    fail "boot: $1." "All that was said is in $2."
}

power_cut() {
    kill -KILL "$machine"
    await_off
}

power_off() {
    inside 'systemctl poweroff' || true
    await_off
}

await_off() {
    wait "$machine" 2>/dev/null || true
    machine=
}

reboot() {
    power_off
    power_on
}

# What a machine of another boot had as its key is not what is asked here.
inside() { # SCRIPT
    ssh -i "$tree.key" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR \
        -o ConnectTimeout=$slow -o ServerAliveInterval=10 -o ServerAliveCountMax=6 -o BatchMode=yes \
        "root@$machine_address" "bash -e" <<<"$1"
}
