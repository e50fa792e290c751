#!/usr/bin/env bash
# Installs Flatnet on this machine: `host.sh PACKAGE` installs that Debian package, writes the configuration, runs `flatnet up`
# and tests it with a container. Started by ops/quickstart --host.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=ops/lib/quickstart/words.sh
source "$here/words.sh"

package=$1
probe=flatnet-quickstart-probe

# Runs first, so that nothing is changed if Podman's backend does not support Flatnet.
check_backend() {
    step "Check Podman" "make \`podman info\` work for root first"
    try podman info --format '{{.Host.NetworkBackend}} {{.Version.Version}}'
    local backend version
    read -r backend version <<<"$output"
    note "Podman $version with $backend"
    podman_backend=$backend
    [[ $backend == cni ]] || ((${version%%.*} >= 5)) || refuse_backend "$version"
}

refuse_backend() { # VERSION
    remedy="nothing was changed. Podman $1 supports Flatnet with its other backend, CNI:
    1. podman stop --all
    2. in /etc/containers/containers.conf, section [network], set:  network_backend = \"cni\"
    3. create your networks again (\`podman network create\`): each backend has its own
    4. run this again
  This loses existing networks, with their addresses and names; images and volumes stay."
    output="Podman $1 uses netavark in a version without plugins, which does not support Flatnet."
    failed "podman info --format '{{.Host.NetworkBackend}}'" 0
}

# Without recommended packages: on Debian 12 they include netavark, which Podman would use instead of CNI.
install_package() {
    step "Install the package: program, plugin, units, manual" "fix the error of apt-get, then run this again"
    printf '    $ apt-get install --no-install-recommends %s\n' "$package"
    try env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends --reinstall install "$package"
    # --reinstall, because another build may have the same version. Only the package's own messages are shown.
    sed -n 's/^flatnet: /    /p' <<<"$output"
}

configure() {
    step "Write the configuration" \
        "fix the error; see \`flatnet init --help\`; --force overwrites existing files"
    show flatnet init
}

bring_up() {
    step "Bring this host up" "the error names the command that failed; \`flatnet down\` undoes the rest"
    show flatnet up
    if [[ $podman_backend == netavark ]] && ! podman network exists flatnet; then
        show podman network create --driver flatnet flatnet
    fi
}

remove_probe() {
    podman rm -f -t 0 "$probe" >/dev/null 2>&1 || true
    [[ $had_image == yes ]] || podman rmi -f flatnet-test/busybox >/dev/null 2>&1 || true
}

verify() {
    step "Test it: a container, and a request to its flat address" \
        "check this host with \`flatnet plan\`, and Podman's networks with \`podman network ls\`"
    had_image=yes
    if ! podman image exists flatnet-test/busybox; then
        had_image=no
        try "$here/../images.sh" load busybox
    fi
    trap remove_probe EXIT
    podman rm -f -t 0 "$probe" >/dev/null 2>&1 || true
    try podman run -d --name "$probe" --network flatnet flatnet-test/busybox
    try podman inspect --format '{{.NetworkSettings.Networks.flatnet.IPAddress}}' "$probe"
    local address=$output
    printf '    $ curl http://%s/\n' "$address"
    eventually curl --silent --show-error --noproxy '*' --max-time 2 "http://$address/"
    indented <<<"$output"
    remove_probe
    trap - EXIT
    good "a container answered at $address; it is removed again"
}

had_image=
podman_backend=
check_backend
install_package
configure
bring_up
verify
printf '\nFlatnet is installed. Next: podman run --network flatnet IMAGE\n'
printf 'To remove it: ops/quickstart --remove\n'
