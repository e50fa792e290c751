# shellcheck shell=bash
# A virtual machine: its disks, power, console and shell. To be sourced in a sandbox, after lan.sh.
#
#   make_system          make a new disk with the system
#   make_brought         make a disk with the files that run.sh prepared
#   power_on             start it, and return when the system is up
#   power_cut            cut the power
#   power_off, reboot    with `systemctl`
#   inside SCRIPT        run SCRIPT in the machine with bash, as root; exits with its status
#   inside_as USER SCRIPT
# shellcheck disable=SC2154 # $tree, $work, $brought and $accelerator are set by steps.sh

# Without KVM a boot takes minutes under load. Only a hang reaches these limits.
readonly boot_limit=1800 off_limit=900

make_system() { make_disk system.img 6G "$tree"; }

make_brought() { make_disk brought.img 512M "$brought"; }

make_disk() { # NAME SIZE FOLDER
    rm -f "$work/$1"
    truncate --size "$2" "$work/$1"
    mkfs.ext4 -q -d "$3" "$work/$1"
}

newest() { # PATTERN: kernels have their version in the name
    compgen -G "$1" | sort --version-sort | tail -n 1
}

# Without KVM, an old CPU model, no mitigations and one CPU are faster: new instructions cost more than they save, and with a second
# CPU the kernel waits for it at each change of rules and links. cache=unsafe: this machine keeps the writes if qemu is killed.
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

# One connection waits, because each takes seconds. "degraded" is accepted: check.sh checks Flatnet's units.
await_up() {
    local state end=$((SECONDS + boot_limit))
    until state=$(inside "timeout $boot_limit systemctl is-system-running --wait >/dev/null || true
            systemctl is-system-running" 2>/dev/null) || [[ $state == degraded ]]; do
        is_on || stop_here "qemu ended" "$work/qemu.log"
        ((SECONDS < end)) || stop_here "the machine did not come up; its last state is \"$state\"" "$work/console.log"
        sleep 1
    done
}

# Uses the pid file, because qemu may be the child of another subshell. qemu deletes the file when it exits.
is_on() { kill -0 "$(cat "$work/machine.pid")"; } 2>/dev/null

stop_here() { # WHAT LOG
    tail -n 15 "$2" >&2
    fail "boot: $1." "The full log is $2."
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
        ((SECONDS < end)) || stop_here "the machine did not power off" "$work/console.log"
        sleep 0.2
    done
}

reboot() {
    power_off
    power_on
}

# Host keys are not checked: they change with each new disk.
inside() { inside_as root "$1"; } # SCRIPT

inside_as() { # USER SCRIPT
    ssh -i "$tree.key" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR \
        -o ConnectTimeout=30 -o ServerAliveInterval=10 -o ServerAliveCountMax=30 -o BatchMode=yes \
        "$1@$(machine_address)" "bash -e" <<<"$2"
}
