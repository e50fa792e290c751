#!/usr/bin/env bash
# The quickstart's installation on this machine: `host.sh PACKAGE` installs that Debian package, writes the configuration,
# brings this host up and shows by one container that it works. Started by ops/quickstart --host.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=ops/lib/quickstart/words.sh
source "$here/words.sh"

package=$1
probe=flatnet-quickstart-probe

# Before anything is written: a Podman whose backend cannot use Flatnet is left as it is.
check_backend() {
    step "Look at Podman" "\`podman info\` must work for root first"
    try podman info --format '{{.Host.NetworkBackend}} {{.Version.Version}}'
    local backend version
    read -r backend version <<<"$output"
    note "Podman $version with $backend"
    podman_backend=$backend
    [[ $backend == cni ]] || ((${version%%.*} >= 5)) || refuse_backend "$version"
}

refuse_backend() { # VERSION
    remedy="nothing of Flatnet was installed, and Podman is as it was. Podman $1 can use Flatnet by its other backend, CNI:
    1. podman stop --all
    2. in the section [network] of /etc/containers/containers.conf write:  network_backend = \"cni\"
    3. make your own networks again (\`podman network create\`): each backend keeps its own
    4. run this again
  It costs the networks made so far, with their addresses and names; images and volumes stay."
    output="Podman $1 uses netavark, in a version that knows no plugins: it cannot use Flatnet."
    failed "podman info --format '{{.Host.NetworkBackend}}'" 0
}

# Without what Debian recommends: on Debian 12 that is a netavark which Podman would take instead of CNI.
install_package() {
    step "Install the package: program, plugin, units, manual" "mend what apt-get complains of, and run this again"
    printf '    $ apt-get install --no-install-recommends %s\n' "$package"
    try env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends --reinstall install "$package"
    # Of the same version, too: it may be another build. What apt says besides is of no interest here.
    sed -n 's/^flatnet: /    /p' <<<"$output"
}

configure() {
    step "Write the configuration" \
        "look at what it complains of; \`flatnet init --help\` tells what it writes, --force overwrites"
    show flatnet init
}

bring_up() {
    step "Bring this host up" "the error names the command that failed; \`flatnet down\` takes back the rest"
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
    step "See that it works: a container, and a request to its flat address" \
        "\`flatnet plan\` says whether this host is as configured, \`podman network ls\` whether Podman knows the network"
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
    good "a container answered at $address, and is removed again"
}

had_image=
podman_backend=
check_backend
install_package
configure
bring_up
verify
printf '\nFlatnet is installed. Next: podman run --network flatnet IMAGE\n'
printf 'To take it back: ops/quickstart --remove\n'
