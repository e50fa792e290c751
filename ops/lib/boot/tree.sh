#!/usr/bin/env bash
# Makes a bootable system for `ops/test boot`, once, with kernel, systemd and the packages of all steps. Prints its folder on
# stdout.
#
#   ops/lib/boot/tree.sh SUITE     bookworm, trixie or noble (5 to 10 minutes, 2 GB)
#
# The network is configured as by the system's installer. Services that steps test are disabled.
#
# Environment: FLATNET_BOOT           the folder of the systems (/var/cache/flatnet-test/boot)
#              FLATNET_DEBIAN_MIRROR  Debian's package mirror (http://deb.debian.org/debian)
#              FLATNET_UBUNTU_MIRROR  Ubuntu's package mirror (http://archive.ubuntu.com/ubuntu)
set -euo pipefail

ops_lib=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=ops/lib/install.sh
source "$ops_lib/install.sh"
# shellcheck source=ops/lib/debian.sh
source "$ops_lib/debian.sh"
# shellcheck source=ops/lib/boot/systems.sh
source "$ops_lib/boot/systems.sh"

suite=${1-}
check_suite "$suite"
tree=$boot/$suite

# The name of qemu's network card: all systems name it by its PCI slot.
readonly uplink=ens3

# The packages of all steps, including docker.io, firewalld and ufw.
packages=(
    systemd systemd-sysv udev dbus libpam-systemd kmod initramfs-tools apparmor openssh-server
    iproute2 nftables iptables procps conntrack iputils-ping curl ca-certificates jq stress-ng
    podman crun conmon nginx libnginx-mod-http-lua lua-cjson
    firewalld ufw docker.io
)
case $suite in
    bookworm) packages+=(linux-image-amd64 ifupdown isc-dhcp-client containernetworking-plugins) ;;
    trixie) packages+=(linux-image-amd64 ifupdown dhcpcd-base netavark aardvark-dns uidmap passt dbus-user-session) ;;
    noble) packages+=(linux-image-virtual netplan.io systemd-resolved containernetworking-plugins) ;;
esac

readonly off=(apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer
    nftables firewalld ufw docker docker.socket containerd nginx podman-restart podman-auto-update.timer podman.socket)

# Fails also if the tree was made with other packages.
tree_is_made() { [[ $(cat "$tree/etc/flatnet-boot-packages" 2>/dev/null) == "${packages[*]}" ]]; }

finish_tree() { # FOLDER
    write_sources "$1"
    printf '#!/bin/sh\nexit 101\n' >"$1/usr/sbin/policy-rc.d"
    chmod 755 "$1/usr/sbin/policy-rc.d"
    say "  installing kernel and packages"
    in_tree "$1" "apt-get -q update && apt-get -q -y install --no-install-recommends ${packages[*]} && apt-get clean &&
        systemctl disable ${off[*]}" >>"$tree.log" 2>&1 ||
        fail "The packages of $suite could not be installed: see $tree.log." "Run $0 $suite again: it starts over."
    rm -f "$1/usr/sbin/policy-rc.d"
    configure "$1"
    write_network "$1"
    echo "${packages[*]}" >"$1/etc/flatnet-boot-packages"
}

# With security updates, like the installer.
write_sources() { # FOLDER
    local security=${mirror%/debian}/debian-security
    if is_ubuntu "$suite"; then
        printf 'deb %s main universe\n' "$mirror $suite" "$mirror $suite-updates" "$mirror $suite-security"
    else
        printf 'deb %s main\n' "$mirror $suite" "$mirror $suite-updates" "$security $suite-security"
    fi >"$1/etc/apt/sources.list"
    cp /etc/resolv.conf "$1/etc/resolv.conf"
}

# In its own namespaces, so that no mount stays in the tree.
in_tree() { # FOLDER SCRIPT
    # shellcheck disable=SC2016 # arguments of the inner shell
    unshare --mount --pid --fork --kill-child --propagation private bash -c '
        mount -t proc proc "$1/proc" && mount -t sysfs sysfs "$1/sys" && mount -t tmpfs tmpfs "$1/run" &&
        DEBIAN_FRONTEND=noninteractive LC_ALL=C chroot "$1" sh -ec "$2"' - "$1" "$2" </dev/null
}

configure() { # FOLDER
    echo "$suite" >"$1/etc/hostname"
    printf '127.0.0.1 localhost\n127.0.1.1 %s\n' "$suite" >"$1/etc/hosts"
    printf '%s\n' '/dev/vda / ext4 defaults 0 1' '/dev/vdb /mnt ext4 ro 0 0' >"$1/etc/fstab"
    # The journal of a boot outlasts it.
    mkdir -p "$1/var/log/journal"
    ssh-keygen -q -t ed25519 -N '' -C flatnet-boot -f "$tree.key" <<<y >/dev/null
    install -D -m 600 "$tree.key.pub" "$1/root/.ssh/authorized_keys"
    rm -f "$1/etc/resolv.conf"
}

write_network() { # FOLDER
    if is_ubuntu "$suite"; then
        ln -s ../run/systemd/resolve/stub-resolv.conf "$1/etc/resolv.conf"
        printf '%s\n' 'network:' '  version: 2' '  ethernets:' "    $uplink: {dhcp4: true}" >"$1/etc/netplan/50-cloud-init.yaml"
        chmod 600 "$1/etc/netplan/50-cloud-init.yaml"
        in_tree "$1" 'systemctl enable systemd-networkd systemd-resolved' >>"$tree.log" 2>&1
    else
        printf '%s\n' 'auto lo' 'iface lo inet loopback' "allow-hotplug $uplink" "iface $uplink inet dhcp" \
            >"$1/etc/network/interfaces"
    fi
}

if ! tree_is_made; then
    require_root "boot/tree.sh"
    install_boot
    use_mirror_of "$suite"
    make_debian_once "$suite" "$tree"
fi
echo "$tree"
