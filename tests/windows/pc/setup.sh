#!/usr/bin/env bash
# shellcheck disable=SC2016
# A Windows PC with WSL2, in a sandbox: the network namespace `windows` is Windows, this one is WSL2, `lan` is another PC.
#
#   lan 192.168.8.9 ---- windows 192.168.8.1 / 172.28.16.1 ---- this host, eth0 172.28.16.5
#
# PowerShell, the scripts, flatnet, nginx, routes, sockets and pings are real. Windows' cmdlets (Windows.psm1 in this folder),
# wsl.exe, nginx.exe (nginx with Lua, with drive C: in /pc/c), elevation (FLATNET_ELEVATED), services and the firewalls are
# imitated.
set -euo pipefail

system=/pc/c/Windows/System32
installed="/pc/c/Program Files/Flatnet"

program() { # FILE BODY: a program of Windows
    mkdir -p "$(dirname "$1")"
    printf '#!/bin/sh\n%s\n' "$2" >"$1"
    chmod +x "$1"
}

network() {
    ip netns add windows && ip netns add lan
    ip link add eth0 type veth peer name vEthernet netns windows
    ip addr add 172.28.16.5/20 dev eth0 && ip link set eth0 up
    ip -n windows link set lo up
    ip -n windows addr add 172.28.16.1/20 dev vEthernet && ip -n windows link set vEthernet up
    ip -n windows link add LAN type veth peer name eth0 netns lan
    ip -n windows addr add 192.168.8.1/24 dev LAN && ip -n windows link set LAN up
    ip -n lan addr add 192.168.8.9/24 dev eth0 && ip -n lan link set eth0 up
    ip -n windows route add default via 192.168.8.9
    ip route add default via 172.28.16.1
    echo '192.168.8.1 flatnet.internal' >>/etc/hosts
    # The name servers of `windows`, which Windows.psm1 writes.
    mkdir -p /etc/netns/windows && : >/etc/netns/windows/resolv.conf
}

programs() {
    program /usr/bin/wslinfo 'cat /pc/state/mode'
    # Lists what runs, or wsl.exe -d NAME -u root --exec PROGRAM ARGS..
    program "$system/wsl.exe" 'echo "${FLATNET_ELEVATED:+elevated }$*" >>/pc/state/wsl.log
        if [ -e /pc/state/wsl-hangs ]; then case "$*" in *"$(cat /pc/state/wsl-hangs)"*) sleep 3600 ;; esac; fi
        if [ "$1 $2" = "--list --running" ]; then [ ! -e /pc/state/wsl-stopped ] || exit 255; echo Debian; exit 0; fi
        if [ "$1" = --list ]; then printf "Debian\r\nUbuntu\r\n"; exit 0; fi
        if [ "$2" != Debian ]; then printf "Error code: Wsl/Service/WSL_E_DISTRO_NOT_FOUND\r\n"; exit 255; fi
        shift 5; exec nsenter --net=/proc/1/ns/net "$@"'
    program "$system/netsh.exe" 'case "$*" in *portproxy*) cat /pc/state/portproxy ;; *excluded*) cat /pc/state/excluded ;; esac 2>/dev/null; true'
    program "$system/icacls.exe" 'printf "%s\n" "${FLATNET_ELEVATED:+elevated }icacls $*" >>/pc/state/done'
    program "$system/sc.exe" 'printf "%s\n" "sc $*" >>/pc/state/done
        if grep -qx "sc $1" /pc/state/fail 2>/dev/null; then echo "Access is denied."; exit 5; fi
        [ "$1" != delete ] || rm -f /pc/state/service /pc/state/account
        [ "$1" != config ] || echo "$4" >/pc/state/account'
    program "$system/taskkill.exe" 'echo "taskkill $*" >>/pc/state/done'
    # conhost.exe --headless PROGRAM ARGS..
    program "$system/conhost.exe" 'shift; exec "$(command -v "$(basename "$(echo "$1" | tr "\\\\" /)")")" "${@:2}"'
    sed -i '1s/sh$/bash/' "$system/conhost.exe"
    program "$system/powershell.exe" 'while [ $# -gt 0 ] && [ "$1" != -File ] && [ "$1" != -Command ]; do shift; done
        how=$1 what=$2; shift 2
        [ "$how" = -Command ] || what=". \"$what\" $*"
        exec /opt/pwsh/pwsh -NoProfile -NonInteractive -Command "Import-Module -DisableNameChecking /pc/Windows.psm1; $what; exit \$LASTEXITCODE"'
    mkdir -p "$system/WindowsPowerShell/v1.0"
    ln -s ../../powershell.exe "$system/WindowsPowerShell/v1.0/powershell.exe"
    program "/pc/c/Program Files/OpenResty/nginx.exe" 'echo "${FLATNET_ELEVATED:+elevated }$*" >>/pc/state/nginx.log
        for x do shift; case $x in C:/*) x=/pc/c/${x#C:/} ;; esac; set -- "$@" "$x"; done
        m=/usr/lib/nginx/modules
        exec nginx "$@" -g "load_module $m/ndk_http_module.so; load_module $m/ngx_http_lua_module.so; daemon off;"'
    program "/pc/c/Program Files/Flatnet/flatnet-gateway.exe" 'echo "wrapper $*" >>/pc/state/done; [ "$1" != install ] || echo Stopped >/pc/state/service'
}

flatnet_in_wsl() {
    flatnet init >/dev/null
    sed -i 's/^ingress_gateways:.*/ingress_gateways: [172.28.16.1]/; s#^  directory: .*#  directory: /pc/c/flatnet/gateway#' /etc/flatnet/flatnet.yaml
    grep -q '172.28.16.1' /etc/flatnet/flatnet.yaml || echo 'ingress_gateways: [172.28.16.1]' >>/etc/flatnet/flatnet.yaml
    flatnet up >/dev/null
    ip netns add web && ip -n web link set lo up
    printf '{"cniVersion":"1.0.0","name":"flatnet","type":"flatnet"}' |
        CNI_COMMAND=ADD CNI_CONTAINERID=web-id CNI_NETNS=/run/netns/web CNI_IFNAME=eth0 CNI_ARGS='IgnoreUnknown=1;K8S_POD_NAME=web' CNI_PATH=/opt/cni/bin flatnet >/dev/null
    flatnet gateway install /pc/c/flatnet/gateway --platform windows >/dev/null 2>&1
    flatnet gateway sync >/dev/null
}

mkdir -p /pc/state /pc/home "$installed"
network
programs
echo nat >/pc/state/mode
printf '[wsl2]\r\nvmIdleTimeout=-1\r\n[general]\r\ninstanceIdleTimeout=-1\r\n' >/pc/home/.wslconfig
flatnet_in_wsl
cp -rT /pc/scripts "$installed"
