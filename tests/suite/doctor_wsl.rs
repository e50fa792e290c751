//! The doctor's checks in WSL2, imitated by the kernel's name, Microsoft's programs and Windows' files.

use crate::doctor::{Break, Mend, each_is_found_and_mended, go_on, well};

pub(crate) const BREAKS: &[Break] = &[
    Break::new(
        "wsl-networking-mode",
        "warning",
        "echo mirrored >/root/mode",
        "the networking mode is mirrored",
        Mend::ByHand("echo nat >/root/mode"),
    )
    .also(&["ruleset"]),
    // If wslinfo fails, the mode is unknown and the rules do not change.
    Break::new(
        "wsl-networking-mode",
        "warning",
        "mv /root/mode /root/gone",
        "the networking mode is unknown, assuming nat",
        Mend::ByHand("mv /root/gone /root/mode"),
    ),
    Break::new(
        "wsl-systemd",
        "warning",
        "echo init >/root/comm",
        "no unit starts Flatnet and containers",
        Mend::ByHand("echo systemd >/root/comm"),
    ),
    Break::new(
        "wsl-systemd",
        "warning",
        "echo init >/root/comm; printf '[boot]\nsystemd=true\n' >/etc/wsl.conf",
        "systemd is not running, although /etc/wsl.conf enables it",
        Mend::ByHand("echo systemd >/root/comm"),
    ),
    Break::new(
        "wsl-address",
        "failure",
        "ip route replace default via 192.168.77.2",
        "the ruleset has 192.168.77.1, but the current addresses are 192.168.77.2",
        Mend::Fix,
    )
    .also(&["ruleset"]),
    Break::new(
        "wsl-address",
        "warning",
        "ip addr flush dev lan0; ip addr add 192.168.77.99/24 dev lan0; ip route add default via 192.168.77.2",
        "this host was 192.168.77.10 at `flatnet up`, but is 192.168.77.99 now",
        Mend::Printed,
    ),
    Break::new(
        "wsl-address",
        "warning",
        "echo 'ingress_gateways: [192.168.77.1]' >/etc/flatnet/flatnet.yaml; flatnet up",
        "Windows is 192.168.77.2, but the configuration accepts 192.168.77.1",
        Mend::ByHand("echo >/etc/flatnet/flatnet.yaml; flatnet up"),
    ),
    Break::new(
        "wsl-address",
        "failure",
        "ip route del default",
        "this host has no default route",
        Mend::ByHand("ip route add default via 192.168.77.2"),
    )
    .also(&["ruleset"]),
    Break::new(
        "wsl-idle",
        "warning",
        "rm /mnt/c/Users/me/.wslconfig",
        "no .wslconfig was found",
        Mend::ByHand("printf '[wsl2]\r\nvmIdleTimeout=-1\r\n' >/mnt/c/Users/me/.wslconfig"),
    ),
    Break::new(
        "wsl-idle",
        "warning",
        "printf '[wsl2]\r\nvmIdleTimeout=60000\r\n' >/mnt/c/Users/me/.wslconfig",
        "vmIdleTimeout is 60000 ms",
        Mend::ByHand("printf '[wsl2]\r\nvmIdleTimeout=-1\r\n' >/mnt/c/Users/me/.wslconfig"),
    ),
    // The printed `hwclock --hctosys` would set the machine's clock, so the imitated hardware clock is set instead.
    Break::new(
        "wsl-clock",
        "warning",
        "echo 3600 >/root/slept; sleep 1",
        "s behind Windows'",
        Mend::ByHand("echo 0 >/root/slept; sleep 1"),
    ),
];

const WSL2: &str = r"
echo 6.6.114.1-microsoft-standard-WSL2 >/root/osrelease
mount --bind /root/osrelease /proc/sys/kernel/osrelease
echo systemd >/root/comm && mount --bind /root/comm /proc/1/comm
printf '#!/bin/sh\ncat /root/mode\n' >/usr/bin/wslinfo && chmod 755 /usr/bin/wslinfo && echo nat >/root/mode
mkdir -p /mnt/c/Users/me && printf '[wsl2]\r\nvmIdleTimeout=-1\r\n' >/mnt/c/Users/me/.wslconfig
mount -t tmpfs tmpfs /sys/class && mkdir -p /sys/class/rtc/rtc0
echo 0 >/root/slept
";

/// Imitates the hardware clock. It is ahead by the number of seconds in /root/slept.
const CLOCK: &str = "
cd /sys/class/rtc/rtc0
while sleep 0.2; do
    echo $(($(date +%s) + $(cat /root/slept))) >new
    mv new since_epoch
done
";

#[test]
fn wsl2_problems_are_found_and_fixed() {
    let sandbox = well("");
    sandbox.sh(WSL2).succeeds();
    sandbox.write("/usr/local/bin/hardware-clock", CLOCK);
    go_on(&sandbox, "bash /usr/local/bin/hardware-clock");
    sandbox.eventually("[ -e /sys/class/rtc/rtc0/since_epoch ]");
    sandbox.sh("flatnet up").succeeds();
    each_is_found_and_mended(&sandbox, BREAKS);
}
