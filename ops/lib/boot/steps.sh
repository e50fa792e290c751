#!/usr/bin/env bash
# The steps on a machine, in a sandbox; started by run.sh. After each step, check.sh in the machine and requests from the LAN check
# the result.
#
#   steps.sh SUITE     writes a line per step to $work/results: the step, then ok or the failure
#
# Environment: FLATNET_BOOT_ACCELERATOR  qemu's accelerator: kvm or tcg
#              FLATNET_BOOT_STEPS        words in the names of the steps to run (default: all); without "setup" the machine
#                                        of the last run is used
# shellcheck disable=SC2016 # single-quoted scripts run in the machine
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=ops/lib/install.sh
source "$here/../install.sh"
# shellcheck source=ops/lib/boot/systems.sh
source "$here/systems.sh"

suite=$1
tree=$boot/$suite
work=$boot/run-$suite
# shellcheck disable=SC2034 # machine.sh reads it
brought=$boot/brought
# shellcheck disable=SC2034 # machine.sh reads it
accelerator=${FLATNET_BOOT_ACCELERATOR:-tcg}
# shellcheck source=ops/lib/boot/lan.sh
source "$here/lan.sh"
# shellcheck source=ops/lib/boot/machine.sh
source "$here/machine.sh"

# --- the steps -------------------------------------------------------------------------------------

# Follows docs/setup/phase-2-setup.md; `ops/test newcomer` runs that page literally.
setup() {
    inside '
        apt-get install -y /mnt/flatnet_*.deb
        if [[ $(podman --version) != *"version 5"* ]]; then
            mkdir -p /etc/containers/containers.conf.d
            printf "[network]\nnetwork_backend = \"cni\"\n" >/etc/containers/containers.conf.d/flatnet.conf
        fi
        flatnet init
        sed -i "s/^ingress_gateways: auto$/ingress_gateways: [192.168.50.20]/" /etc/flatnet/flatnet.yaml
        # Without KVM, the first nft after a boot takes longer than the default limit of 10 s.
        sed -i "s/^  \(command\|lock\)_seconds: 10$/  \1_seconds: 120/" /etc/flatnet/flatnet.yaml
        systemctl enable --now nftables
        flatnet up
        systemctl enable --now flatnet.service flatnet-gc.timer flatnet-metrics.timer
        systemctl enable podman-restart.service
        if [[ $(podman --version) == *"version 5"* ]]; then podman network create -d flatnet flatnet; fi
        FLATNET_IMAGES=/mnt bash /mnt/images.sh load busybox web
        flatnet gateway install
        systemctl enable --now flatnet-gateway flatnet-gateway-watch
    '
    inside '
        run() { podman run -d --restart=always --network flatnet --name "$@"; }
        run web flatnet-test/web
        run published -p 8080:80 flatnet-test/busybox
        run static --ip 10.87.1.50 flatnet-test/busybox
        run client flatnet-test/busybox
    '
    if has_quadlets; then make_quadlets; else make_generated_units; fi
    inside 'bash /mnt/check.sh note'
}

has_quadlets() { inside 'test -e /usr/lib/systemd/system-generators/podman-system-generator'; }

# One is ordered after Flatnet as in docs/operations/cni-operations.md, one is not. A start may take minutes here.
make_quadlets() {
    inside '
        mkdir -p /etc/containers/systemd
        cd /etc/containers/systemd
        for name in ordered plain; do
            printf "%s\n" "[Container]" "Image=localhost/flatnet-test/busybox" "ContainerName=$name" "Network=flatnet" "Pull=never" \
                "[Service]" "Restart=always" "TimeoutStartSec=10min" "[Install]" "WantedBy=multi-user.target" >$name.container
        done
        sed -i "1i [Unit]\nWants=flatnet.service\nAfter=flatnet.service" ordered.container
        systemctl daemon-reload
        systemctl start ordered plain
    '
}

# Podman 4.3 has no quadlets, so generated units are used.
make_generated_units() {
    inside '
        cd /etc/systemd/system
        for name in ordered plain; do
            podman create --name $name --network flatnet flatnet-test/busybox
            podman generate systemd --new --name $name >$name.service
            podman rm $name
        done
        sed -i "s/^After=network-online.target/After=network-online.target flatnet.service/" ordered.service
        sed -i "s/^\[Service\]/&\nTimeoutStartSec=10min/" ordered.service plain.service
        systemctl daemon-reload
        systemctl enable --now ordered plain
    '
}

power_cut_while_attaching() {
    inside '
        for i in 1 2 3 4 5 6 7 8; do
            podman run -d --name cut$i --network flatnet flatnet-test/busybox </dev/null >/dev/null 2>&1 &
        done
        until [ "$(ip -br link | grep -c ^fn)" -ge 8 ]; do sleep 0.05; done
    '
    power_cut
    power_on
    inside 'podman rm -f -t 0 $(podman ps -aq --filter name=cut); podman ps -a --format "{{.Names}} {{.Status}}"'
}

reboot_under_load() {
    inside '
        printf "%s\n" "[Unit]" "DefaultDependencies=no" "After=local-fs.target" "[Service]" \
            "ExecStart=/usr/bin/stress-ng --cpu 6 --hdd 2 --hdd-bytes 64M --temp-path /var/tmp" \
            "[Install]" "WantedBy=sysinit.target" >/etc/systemd/system/load.service
        systemctl enable load
    '
    reboot
    looks_well_quickly
    inside 'systemctl disable --now load'
}

restart_nftables() {
    inside 'systemctl restart nftables'
    looks_well_quickly
    inside 'systemctl stop nftables
        ! nft list table inet flatnet 2>/dev/null || exit 0
        if flatnet status >/dev/null; then echo "flatnet status reports no problem without the ruleset"; exit 1; fi'
    inside 'systemctl start nftables; bash /mnt/check.sh quickly'
    # Starting nftables flushes all tables while flatnet.service is active, so it is not started again.
    inside 'systemctl stop nftables; systemctl start flatnet; systemctl start nftables'
}

# systemd keeps the resolver's sockets meanwhile, so each question is answered. Without KVM a start takes 12 s.
kill_the_resolver() {
    inside '
        before=$(systemctl show --property MainPID --value flatnet-dns)
        for round in 1 2 3 4 5 6 7 8; do
            systemctl kill --signal KILL flatnet-dns
            nsenter --target "$(podman inspect --format "{{.State.Pid}}" client)" --net --mount -- /bin/busybox nslookup -timeout=120 web
        done
        [ "$(systemctl show --property MainPID --value flatnet-dns)" != "$before" ]
        [ "$(systemctl show --property NRestarts --value flatnet-dns)" -ge 8 ]
        [ "$(stat -c %u /proc/"$(systemctl show --property MainPID --value flatnet-dns)")" != 0 ]
        systemctl restart flatnet-dns
        systemctl start flatnet-metrics
        curl -sf http://127.0.0.1/_flatnet/metrics/host | grep "^flatnet_resolver_up.* 1"
    '
}

# Runs the commands that the doctor advises for another firewall. nftables.service is disabled, because its start could flush that
# firewall's rules at the reboot.
with_firewall() { # UNIT SCRIPT
    inside 'systemctl disable --now nftables'
    inside "$2"
    inside 'flatnet doctor --json | jq -r ".findings[].commands[]?" >/root/advice; cat /root/advice; bash -e /root/advice'
    looks_well_quickly
    reboot
    looks_well
}

firewalld() {
    with_firewall firewalld 'systemctl enable --now firewalld
        firewall-cmd --permanent --add-service=http; firewall-cmd --permanent --add-port=8080/tcp; firewall-cmd --reload'
    inside 'firewall-cmd --state; systemctl reload firewalld'
    looks_well_quickly
    inside 'systemctl disable --now firewalld; systemctl enable --now nftables'
}

ufw() {
    with_firewall ufw 'systemctl enable --now ufw; ufw allow 22/tcp; ufw allow 80/tcp; ufw --force enable'
    inside 'ufw status | grep "^Status: active"; iptables -S FORWARD | grep "^-P FORWARD DROP"
        ufw --force reset; ufw --force disable; systemctl disable --now ufw; systemctl enable --now nftables'
}

docker() {
    with_firewall docker 'systemctl enable --now docker.service'
    inside 'systemctl is-active docker; systemctl restart docker'
    looks_well_quickly
    inside 'systemctl disable --now docker.service docker.socket; systemctl enable --now nftables'
}

another_address() {
    give_address 192.168.50.11
    await_up
    lead_to_containers
}

# A user's containers without sudo: one of Podman's, one of the user's systemd. By lingering they start with the machine.
rootless() {
    inside '
        useradd --create-home --shell /bin/bash alice
        install -d -o alice -m 700 /home/alice/.ssh
        install -o alice -m 600 /root/.ssh/authorized_keys /home/alice/.ssh/
        flatnet init --rootless alice
        loginctl enable-linger alice
    '
    inside_as alice '
        FLATNET_IMAGES=/mnt bash /mnt/images.sh load busybox
        podman network create -d flatnet flatnet
        podman run -d --restart=always --network flatnet --name web flatnet-test/busybox
        mkdir -p .config/containers/systemd
        printf "%s\n" "[Container]" "Image=localhost/flatnet-test/busybox" "ContainerName=unit" "Network=flatnet" "Pull=never" \
            "[Service]" "Restart=on-failure" "TimeoutStartSec=10min" "[Install]" "WantedBy=default.target" >.config/containers/systemd/unit.container
        systemctl --user enable podman-restart
        systemctl --user daemon-reload
        systemctl --user start unit
    '
    inside 'bash /mnt/check.sh note; grep "^unit.alice" /root/addresses; grep "^web.alice" /root/addresses'
    looks_well
    reboot
    looks_well
    inside_as alice 'systemctl --user stop unit; podman rm -f -t 0 -a'
    inside '
        loginctl disable-linger alice
        flatnet init --rootless alice --remove
        while pgrep -u alice; do loginctl terminate-user alice; sleep 1; done
        userdel --remove alice
        bash /mnt/check.sh note
        if grep alice /root/addresses; then exit 1; fi
    '
}

# Containers keep running without Flatnet, and it takes them over again.
remove_and_install_again() {
    inside 'apt-get remove -y flatnet
        while read -r name address; do curl -sf -m 30 -o /dev/null http://$address/; done </root/addresses
        apt-get install -y /mnt/flatnet_*.deb
        flatnet repair
        systemctl start flatnet.service flatnet-gc.timer flatnet-metrics.timer flatnet-gateway flatnet-gateway-watch'
}

purge() {
    inside 'systemctl disable --now ordered plain 2>/dev/null || systemctl stop ordered plain
        rm -f /etc/containers/systemd/*.container /etc/systemd/system/{ordered,plain}.service
        podman rm -f -t 0 -a
        apt-get purge -y flatnet
        rm -f /etc/containers/containers.conf.d/flatnet.conf
        bash /mnt/check.sh gone'
}

# --- checks and results ----------------------------------------------------------------------------

looks_well() {
    inside 'bash /mnt/check.sh'
    looks_well_from_lan
}

# Without the doctor, which takes minutes without KVM.
looks_well_quickly() {
    inside 'bash /mnt/check.sh quickly'
    looks_well_from_lan
}

looks_well_from_lan() {
    local web
    web=$(inside "sed -n 's/^web //p' /root/addresses")
    lead_to_containers
    from windows curl -sf -m 60 -o /dev/null "http://$web/" || fail "the configured ingress gateway does not reach web"
    ! from stranger curl -s -m 10 -o /dev/null "http://$web/" || fail "a stranger reaches web at its address"
    from stranger curl -sf -m 60 -o /dev/null "http://$(machine_address):8080/" || fail "the LAN does not reach the published port"
    from stranger curl -sf -m 60 -o /dev/null -H 'Host: web.flatnet.internal' "http://$(machine_address)/who" ||
        fail "the LAN does not reach web through the HTTP gateway"
}

# A failed step must not stop the others. Not `if step`: bash would ignore `set -e` in it.
run() { # NAME FUNCTION [CHECK]
    local name=$1 began=$SECONDS status=0 log=$work/${1// /-}.log why=
    printf '%s' "  $name .. " >&2
    set +e
    (set -e; "$2"; ${3-looks_well}) >"$log" 2>&1
    status=$?
    set -e
    if ((status == 0)); then why=ok; else why="failed: $(grep . "$log" | tail -n 1)"; describe >>"$log" 2>&1; fi
    printf '%s\t%s\n' "$name" "$why" >>"$work/results"
    say "$why ($((SECONDS - began)) s)"
}

# Logs the machine's state after a failure.
describe() {
    inside 'flatnet status; flatnet plan; systemctl --no-pager status "flatnet*"; journalctl --no-pager -b -u "flatnet*"
        podman ps -a; ip -br addr; ip route; nft list ruleset' || true
}

is_selected() { # NAME
    local word
    [[ -n ${FLATNET_BOOT_STEPS-} ]] || return 0
    for word in $FLATNET_BOOT_STEPS; do [[ $1 != *"$word"* ]] || return 0; done
    return 1
}

step() { # NAME FUNCTION [CHECK]
    if is_selected "$1"; then run "$@"; fi
}

main() {
    : >"$work/results"
    make_lan
    make_brought
    if is_selected setup; then make_system; fi
    power_on
    step 'setup' setup
    step 'reboot' reboot
    step 'power cut during eight attachments' power_cut_while_attaching
    step 'reboot under load' reboot_under_load
    step 'nftables: restart, stop, start' restart_nftables
    step 'resolver killed eight times' kill_the_resolver looks_well_quickly
    step 'firewalld, a reboot with it' firewalld looks_well_quickly
    step 'ufw, a reboot with it' ufw looks_well_quickly
    step 'Docker, a reboot with it, its restart' docker looks_well_quickly
    step 'another address of the uplink' another_address
    # Elsewhere the packages for users are not part of the system.
    if [[ $suite == trixie ]]; then step "alice's containers, a reboot with them" rootless looks_well_quickly; fi
    step 'remove, install again' remove_and_install_again
    step 'purge' purge true
    power_off
}

main
