# shellcheck shell=bash
# A machine that boots: its disks, its power, its screen, and a shell in it. To be sourced, inside a sandbox, after lan.sh.
#
#   make_system          a fresh disk with the system
#   make_brought         one with what is brought
#   power_on             returns when its system has come up
#   power_cut            at once, as by the plug
#   power_off, reboot    as by `systemctl`
#   inside SCRIPT        runs SCRIPT in the machine by bash, as root; exits with its status
# shellcheck disable=SC2154 # $tree, $work, $brought and $accelerator are those of run.sh

# Where each instruction is translated, a boot takes minutes beside other work. Only what hangs reaches a limit.
readonly boot_limit=1800 off_limit=900

make_system() { make_disk system.img 6G "$tree"; }

make_brought() { make_disk brought.img 512M "$brought"; }

make_disk() { # NAME SIZE FOLDER
    rm -f "$work/$1"
    truncate --size "$2" "$work/$1"
    mkfs.ext4 -q -d "$3" "$work/$1"
}

newest() { # PATTERN: kernels bear their version
    compgen -G "$1" | sort --version-sort | tail -n 1
}

# Where instructions are translated, those that are new cost more than they save, and so does what a kernel does against
# Meltdown at each system call, and a second CPU, for which the kernel waits at each change of rules and links while this machine
# does something else. What this machine writes outlasts qemu without a flush.
power_on() {
    local cpu=qemu64 cpus=1
    [[ $accelerator != kvm ]] || { cpu=max; cpus=2; }
    qemu-system-x86_64 -accel "$accelerator" -cpu "$cpu" -machine pc -smp "$cpus" -m 1536 -nodefaults -no-user-config -display none \
        -kernel "$(newest "$tree/boot/vmlinuz-*")" -initrd "$(newest "$tree/boot/initrd.img-*")" \
        -append "root=/dev/vda rw console=ttyS0 mitigations=off" \
        -drive "file=$work/system.img,format=raw,if=virtio,cache=unsafe" -drive "file=$work/brought.img,format=raw,if=virtio,readonly=on" \
        -netdev tap,id=lan,ifname=tap0,script=no,downscript=no -device "virtio-net-pci,netdev=lan,mac=$machine_mac,addr=3" \
        -device virtio-rng-pci -pidfile "$work/machine.pid" \
        -chardev "file,id=console,path=$work/console.log,append=on" -serial chardev:console \
        </dev/null >>"$work/qemu.log" 2>&1 &
    await_up
}

# One connection waits: each costs seconds there. "degraded": the checks say whether a unit of ours is among those that failed.
await_up() {
    local state end=$((SECONDS + boot_limit))
    until state=$(inside "timeout $boot_limit systemctl is-system-running --wait >/dev/null || true
            systemctl is-system-running" 2>/dev/null) || [[ $state == degraded ]]; do
        is_on || stop_here "qemu ended" "$work/qemu.log"
        ((SECONDS < end)) || stop_here "the machine did not come up; it said last that it is \"$state\"" "$work/console.log"
        sleep 1
    done
}

# Steps run in subshells: what they start is not their parent's child. qemu takes its file away when it ends by itself.
is_on() { kill -0 "$(cat "$work/machine.pid")"; } 2>/dev/null

stop_here() { # WHAT LOG
    tail -n 15 "$2" >&2
    fail "boot: $1." "All that was said is in $2."
}

power_cut() {
    kill -KILL "$(cat "$work/machine.pid")"
    await_off
}

power_off() {
    inside 'systemctl poweroff' || true
    await_off
}

await_off() {
    local end=$((SECONDS + off_limit))
    while is_on; do
        ((SECONDS < end)) || stop_here "the machine did not go off" "$work/console.log"
        sleep 0.2
    done
}

reboot() {
    power_off
    power_on
}

# What a machine of another boot had as its key is not what is asked here.
inside() { # SCRIPT
    ssh -i "$tree.key" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR \
        -o ConnectTimeout=30 -o ServerAliveInterval=10 -o ServerAliveCountMax=30 -o BatchMode=yes \
        "root@$(machine_address)" "bash -e" <<<"$1"
}
