#!/usr/bin/env bash
# Runs in a machine of `ops/test boot`: checks Flatnet's state, prints what is wrong, and then exits with 1.
#
#   check.sh          containers' addresses, units and the plan, repeated for up to five minutes until all is well; then the doctor
#   check.sh quickly  the same without the doctor, which takes most of a minute without KVM
#   check.sh note     record the containers' addresses for later checks
#   check.sh gone     check that nothing of Flatnet is left
set -u

addresses=/root/addresses
wrong=()

is_wrong() { wrong+=("$*"); }

now() { flatnet ps --json | jq -r '.[] | select(.state == "running") | "\(.name) \(.address)"' | sort; }

check_containers() {
    local name address pids web
    web=$(sed -n 's/^web //p' "$addresses")
    # Faster than `podman exec`, which matters without KVM.
    pids=$(sed -n '/[.]alice /!s/ .*//p' "$addresses" | xargs podman inspect --format '{{.Name}} {{.State.Pid}}')
    diff "$addresses" <(now) >/tmp/diff || is_wrong "other containers or addresses than before: $(grep '^[<>]' /tmp/diff | paste -sd ';')"
    while read -r name address; do
        curl -s -o /dev/null -m 30 "http://$address/" || is_wrong "$name does not answer at $address"
        # A user's containers are not root's Podman's.
        [[ $name != *.alice ]] || continue
        # Forwarded by Flatnet's resolver to this host's.
        in_container "$name" --mount -- /bin/busybox nslookup windows.lan | grep '^Address.* 192[.]168[.]50[.]20$' >/dev/null ||
            is_wrong "$name does not resolve windows.lan"
        in_container "$name" --mount -- /bin/busybox nslookup web | grep "^Address.* $web$" >/dev/null || is_wrong "$name does not resolve web"
    done <"$addresses"
    in_container client -- curl -s -m 30 -o /dev/null "http://$web/" || is_wrong "client does not reach web"
}

in_container() { # NAME OPTION.. -- COMMAND..
    nsenter --target "$(sed -n "s/^$1 //p" <<<"$pids")" --net "${@:2}" 2>&1
}

# Links and leases are exactly those of the containers, and the plan is empty.
check_state() {
    local containers links held
    containers=$(wc -l <"$addresses")
    links=$(ip -br link | grep -c '^fn')
    held=$(flatnet status --json | jq .addresses.held)
    ((links == containers)) || is_wrong "$links links for $containers containers"
    ((held == containers)) || is_wrong "$held addresses held by $containers containers"
    flatnet plan --exit-code >/tmp/plan 2>&1 || is_wrong "flatnet plan: $(grep -m 3 -E '^ *[0-9]+[.]|^error' /tmp/plan | paste -sd ';')"
}

check_units() {
    local unit
    for unit in flatnet.service flatnet-dns.service flatnet-gc.timer flatnet-metrics.timer flatnet-gateway.service flatnet-gateway-watch.service; do
        systemctl is-active --quiet "$unit" || is_wrong "$unit is $(systemctl is-active "$unit")"
    done
    systemctl --failed --plain --no-legend | grep -E 'flatnet|podman|nftables|ordered|plain' >/tmp/failed &&
        is_wrong "failed: $(cut -d ' ' -f 1 /tmp/failed | paste -sd ' ')"
}

check_doctor() {
    flatnet doctor --json >/tmp/doctor || is_wrong "the doctor: $(jq -r '.findings[] | select(.level == "warning" or .level == "failure")
        | "\(.id): \(.what)"' /tmp/doctor | paste -sd ';')"
}

# Services may still be starting after a boot, so problems must disappear within the limit.
check_until_well() {
    local end=$((SECONDS + 300))
    while
        wrong=()
        check_containers
        check_state
        check_units
        ((${#wrong[@]} > 0 && SECONDS < end))
    do
        sleep 5
    done
}

# Settings of firewalld that the doctor advised are firewalld's.
check_gone() {
    is_gone "a file" find /etc /opt /run /usr /var/lib /var/log -xdev -name '*flatnet*' -not -path '/var/lib/containers/*' \
        -not -path '/etc/firewalld/*' \
        -not -name flatnet-boot-packages
    is_gone "a link" ip -br link show type bridge
    is_gone "a link" sh -c "ip -br link | grep '^fn'"
    is_gone "a table" sh -c "nft list tables | grep flatnet"
    is_gone "a route" ip route show proto 87 table all
    is_gone "a rule" sh -c "ip -d rule | grep 'proto 87'"
    is_gone "a unit" systemctl list-units --all --plain --no-legend 'flatnet*'
}

is_gone() { # WHAT COMMAND..: COMMAND must print nothing
    local left
    left=$("${@:2}" 2>/dev/null | grep -v docker0 | paste -sd ';')
    [[ -z $left ]] || is_wrong "$1 is left: $left"
}

case ${1-} in
    note) now >"$addresses" && cat "$addresses" && exit ;;
    gone) check_gone ;;
    quickly) check_until_well ;;
    *)
        check_until_well
        check_doctor
        ;;
esac
((${#wrong[@]} == 0)) || { printf '%s; ' "${wrong[@]}" && echo && exit 1; }
