#!/usr/bin/env bash
# The quickstart's tour: Flatnet's main features with real Podman, in a sandbox of ops/quickstart.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=ops/lib/quickstart/words.sh
source "$here/words.sh"

# As in WSL2: Windows is the next hop of the default route, and routes the subnet to WSL2's address.
windows=172.27.0.1
wsl=172.27.0.2
stranger=192.168.7.9
# Windows' address in the LAN.
lan=192.168.50.1
gateway=/var/lib/flatnet-gateway
portal=http://flatnet.internal/

podman=$(podman --version | sed 's/.* //')
backend=CNI
((${podman%%.*} < 5)) || backend=netavark

address_of() { podman inspect --format '{{.NetworkSettings.Networks.flatnet.IPAddress}}' "$1"; }

# A network namespace stands for a host: connected by a veth pair, with a route to containers through this host.
add_neighbour() { # NAME ADDRESS OUR-ADDRESS
    try ip netns add "$1"
    try ip link add "to-$1" type veth peer name eth0 netns "$1"
    try ip addr add "$3/24" dev "to-$1"
    try ip link set "to-$1" up
    try ip -n "$1" addr add "$2/24" dev eth0
    try ip -n "$1" link set eth0 up
    try ip -n "$1" route add 10.87.1.0/24 via "$3"
}

simulate_windows() {
    step "Around this host: Windows, and a stranger in the LAN" \
        "the kernel must support network namespaces and veth: see \`dmesg | tail\`"
    add_neighbour windows "$windows" "$wsl"
    add_neighbour stranger "$stranger" 192.168.7.1
    try ip route add default via "$windows"
    note "Windows   $windows    next hop of the default route; has the route 10.87.1.0/24 via $wsl (\"WSL\")"
    note "stranger  $stranger   in the LAN, with its own route to the containers"
}

configure() {
    step "Configure: flatnet init writes /etc/flatnet/flatnet.yaml and tells Podman $podman ($backend)" \
        "fix the error; see \`flatnet init --help\`"
    show flatnet init
    # In WSL2 \`auto\` detects Windows; the sandbox does not look like WSL2.
    try sed -i "s/^ingress_gateways: auto\$/ingress_gateways: [$windows]/" /etc/flatnet/flatnet.yaml
    show grep '^ingress_gateways' /etc/flatnet/flatnet.yaml
}

bring_up() {
    step "Plan, then apply: flatnet plan prints each step; reasons, undo and exact commands are omitted here" \
        "the error names the command that failed; run it alone to see the error. \`flatnet down\` undoes the rest"
    printf '    $ flatnet plan --dry-run\n'
    try flatnet plan --dry-run
    grep -E '^ *[0-9]+\. ' <<<"$output" | cut -c 1-108 | indented
    try flatnet up
    good "flatnet up: done"
    try flatnet plan --exit-code
    good "flatnet plan: nothing left to do"
    if [[ $backend == netavark ]]; then show podman network create --driver flatnet flatnet; fi
}

run_containers() {
    step "Run three containers" \
        "check this host with \`flatnet plan\`; /var/log/flatnet/flatnet.log has the commands that ran"
    show podman run -d --name web --network flatnet flatnet-test/web
    show podman run -d --name db --network flatnet flatnet-test/redis
    show podman run -d --name client --network flatnet flatnet-test/redis sleep 3600
    web=$(address_of web)
    db=$(address_of db)
    show flatnet ps
}

reach() {
    step "Connections" \
        "see \`flatnet rules --live\`: the rule whose counter increases decided"
    printf '    windows$ curl http://%s/who\n' "$web"
    eventually ip netns exec windows curl --silent --show-error --max-time 5 "http://$web/who"
    indented <<<"$output"
    expect "${output##* }" "$windows" "the address that the web server saw"
    good "Windows reaches the web server at its flat address; the server sees $windows, without NAT"

    # The stranger reaches this host, so the ruleset is what blocks it.
    try ip netns exec stranger ping -c 1 -W 2 192.168.7.1
    if ip netns exec stranger curl --silent --max-time 2 "http://$web/who" >/dev/null 2>&1; then
        output="the stranger at $stranger got an answer from $web"
        failed "ip netns exec stranger curl http://$web/who" 0
    fi
    good "the stranger is refused"

    printf '    client$ redis-cli -h db set greeting "hello, flat world"; redis-cli -h db.direct.flatnet.internal get greeting\n'
    eventually podman exec client redis-cli -h db set greeting "hello, flat world"
    try podman exec client redis-cli -h db.direct.flatnet.internal get greeting
    indented <<<"$output"
    expect "$output" "hello, flat world" "what the database answered"
    good "the client reaches the database by name, which is $db"

    # What the rule that ops/windows writes does on Windows, for this zone only.
    mkdir -p /etc/netns/windows
    echo 'nameserver 10.87.1.1' >/etc/netns/windows/resolv.conf
    printf '    windows$ curl http://web.direct.flatnet.internal/who\n'
    try ip netns exec windows curl --silent --show-error --max-time 5 http://web.direct.flatnet.internal/who
    indented <<<"$output"
    good "Windows reaches the web server by name, as psql, ssh and redis-cli do their containers"
    show flatnet names
}

# As a colleague's browser asks.
browse() { # URL
    ip netns exec colleague curl --silent --show-error --fail-with-body --max-time 15 "$1"
}

open_by_name() {
    step "A colleague's browser in the LAN opens containers by name, through the gateway on Windows" \
        "\`flatnet gateway routes\` says why a container has no route; $gateway/logs/error.log is nginx's"
    try "$here/../lan.sh" flatnet.internal web.flatnet.internal web.local nobody.flatnet.internal
    try flatnet gateway install
    good "flatnet gateway install: nginx's configuration and Lua are in $gateway"
    show flatnet gateway sync
    show flatnet gateway routes
    note "nginx runs on Windows, which has the addresses $windows and, towards the LAN, $lan"
    try ip netns exec windows nginx -p "$gateway" -c conf/nginx.conf
    printf '    colleague$ curl http://web.flatnet.internal/who\n'
    eventually browse http://web.flatnet.internal/who
    indented <<<"$output"
    expect "${output##* }" "$windows" "the address that the web server saw"
    expect "$(browse http://nobody.flatnet.internal/ 2>&1 | grep -c nobody.flatnet.internal)" 1 "pages that name the unknown host"
    good "a name that nobody has gets the gateway's own page"
}

stop_and_start() {
    step "Stop and start: the address stays" "\`flatnet ps\` shows who holds which address"
    try podman stop web
    try flatnet gateway sync
    printf '    colleague$ curl http://web.flatnet.internal/who     # and podman start web, two seconds later\n'
    (sleep 2 && podman start web >/dev/null && flatnet gateway sync >/dev/null) &
    try browse http://web.flatnet.internal/who
    indented <<<"$output"
    try wait "$!"
    good "the colleague's request waited for the container"
    expect "$(address_of web)" "$web" "the address of web after a restart"
    eventually ip netns exec windows curl --silent --max-time 2 "http://$web/who"
    good "web is back at $web, and Windows reaches it there"
}

look_around() {
    step "What the colleague sees" "\`flatnet gateway routes\` lists what is served; $gateway/logs/access.log what was asked for"
    try browse "$portal"
    good "the portal: $portal or http://$lan/"
    local url urls
    urls=$(flatnet gateway routes | sed -n 's/^\(http[^ ]*\).*/\1/p')
    for url in $urls; do
        try browse "$url"
        good "$url: $output"
    done
    take_picture
}

take_picture() {
    if [[ ! -x /usr/lib/chromium/chromium ]]; then
        note "No screenshot: Chromium is not installed. Ubuntu's is a snap, which does not run in a sandbox."
        return
    fi
    local picture=$FLATNET_PICTURES/portal.png
    rm -f "$picture"
    try timeout 60 ip netns exec colleague "$here/../chromium" --window-size=1000,560 --screenshot="$picture" "$portal"
    expect "$(head -c 4 "$picture" | tail -c 3)" PNG "the beginning of $picture"
    good "the portal in the colleague's browser: $picture"
}

take_down() {
    step "Take everything down" "\`flatnet down --force\` also undoes remaining attachments"
    try ip netns exec windows nginx -p "$gateway" -c conf/nginx.conf -s quit
    show podman rm -f -t 0 web db client
    if [[ $backend == netavark ]]; then show podman network rm flatnet; fi
    try flatnet down
    good "flatnet down: done"
    expect "$(ip -o link | sed -n 's/^[0-9]*: \(flatnet[^:@]*\|fn[0-9a-f]\{12\}\).*/\1/p')" "" "links of Flatnet's"
    expect "$(nft list tables | grep -c flatnet || true)" 0 "nft tables of Flatnet's"
    expect "$(ip netns list | grep -vcE '^(windows|stranger|colleague)' || true)" 0 "network namespaces of containers"
    # The owner mark stays.
    expect "$(find /var/lib/flatnet/flatnet/receipts /run/flatnet/flatnet -type f ! -name owner ! -name ruleset.lock | wc -l)" 0 "receipts and locks"
    expect "$(cat /proc/sys/net/ipv4/ip_forward)" "$forwarding" "ip_forward"
    good "removed: bridge, links, tables, namespaces, receipts; ip_forward is restored ($forwarding)"
}

forwarding=$(cat /proc/sys/net/ipv4/ip_forward)
web=
db=
simulate_windows
configure
bring_up
run_containers
reach
open_by_name
stop_and_start
look_around
take_down
