//! The doctor's checks of this host: privileges, configuration, state directories.

use crate::doctor::{Break, Mend, each_is_found_and_mended, well};

/// Only root can inspect everything. To other users the doctor recommends root, and reports nothing false.
pub(crate) const BREAKS: &[Break] = &[
    Break::new("privileges", "warning", "true", "runs as user 65534", Mend::ByHand("true"))
        .through("setpriv --reuid 65534 --clear-groups"),
    Break::new("privileges", "failure", "true", "root lacks CAP_NET_ADMIN", Mend::ByHand("true"))
        .through("setpriv --bounding-set -net_admin"),
    Break::new("privileges", "failure", "true", "root lacks CAP_SYS_ADMIN", Mend::ByHand("true"))
        .through("capsh --drop=cap_sys_admin --shell=/usr/bin/env -- "),
    Break::new(
        "privileges",
        "failure",
        "true",
        "root of a user namespace, not of the host",
        Mend::ByHand("true"),
    )
    .through("unshare --user --map-root-user"),
    Break::new(
        "configuration",
        "failure",
        "echo 'mtu: 40' >/etc/flatnet/flatnet.yaml",
        "flatnet.yaml:1: mtu: 40 is not between",
        Mend::ByHand("echo 'mtu: auto' >/etc/flatnet/flatnet.yaml"),
    ),
    Break::new(
        "configuration",
        "failure",
        "chmod 666 /etc/flatnet/flatnet.yaml",
        "is writable by users other than root",
        Mend::Printed,
    ),
    Break::new(
        "configuration",
        "failure",
        "rm /etc/flatnet/flatnet.yaml",
        "there is no configuration",
        Mend::Printed,
    ),
    Break::new(
        "state-directory",
        "failure",
        "chmod 755 /var/lib/flatnet",
        "/var/lib/flatnet is accessible to other users (owner 0, mode 0755)",
        Mend::Printed,
    ),
    Break::new(
        "state-directory",
        "failure",
        "chown 7 /run/flatnet/flatnet",
        "/run/flatnet/flatnet is accessible to other users (owner 7, mode 0700)",
        Mend::Printed,
    ),
    Break::new(
        "state-directory",
        "failure",
        "chmod 711 /var/lib/flatnet/flatnet",
        "(owner 0, mode 0711)",
        Mend::Printed,
    ),
    Break::new(
        "state-directory",
        "failure",
        "cd /var/lib/flatnet && mv flatnet /root && ln -s /root/flatnet .",
        "is a link or a file",
        Mend::Printed,
    ),
    Break::new(
        "state-space",
        "warning",
        "mount -t tmpfs -o size=4m,mode=700 tmpfs /var/lib/flatnet",
        "/var/lib/flatnet: 4 MiB and",
        Mend::ByHand("umount /var/lib/flatnet"),
    ),
    Break::new(
        "state-space",
        "failure",
        "flatnet up; mount -t tmpfs -o size=64m,nr_inodes=7,mode=700 tmpfs /run/flatnet",
        "64 MiB and 6 inodes free",
        Mend::ByHand("umount /run/flatnet"),
    ),
    Break::new(
        "state-space",
        "failure",
        "mount -t tmpfs -o size=64m,mode=700,ro tmpfs /var/lib/flatnet",
        "is mounted read-only",
        Mend::Printed,
    ),
    // The sandbox has no systemd; a script imitates `systemctl`.
    Break::new(
        "boot-unit",
        "failure",
        "mkdir -p /run/systemd/system; printf '#!/bin/sh\ncase \"$1\" in show) cat /run/shown;; *start) >/run/shown;; *) exit 1;; esac' >/run/systemctl; chmod 755 /run/systemctl; mount --bind /run/systemctl /usr/bin/systemctl; printf 'ActiveState=failed\nUnitFileState=enabled\n' >/run/shown",
        "flatnet.service has failed",
        Mend::Printed,
    ),
    Break::new(
        "boot-unit",
        "warning",
        "mkdir -p /run/systemd/system; printf '#!/bin/sh\ncase \"$1\" in show) cat /run/shown;; *start) >/run/shown;; *) exit 1;; esac' >/run/systemctl; chmod 755 /run/systemctl; mount --bind /run/systemctl /usr/bin/systemctl; printf 'ActiveState=inactive\nUnitFileState=enabled\n' >/run/shown",
        "flatnet.service is enabled but was stopped",
        Mend::Printed,
    ),
];

#[test]
fn host_problems_are_found_and_fixed() {
    each_is_found_and_mended(&well(""), BREAKS);
}
