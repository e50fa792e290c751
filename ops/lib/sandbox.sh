#!/usr/bin/env bash
# Runs a command in a sandbox with its own network, processes, mounts and files. Real Podman, nft and ip work
# as root there, and do not affect the machine. Everything is removed when the command ends.
#
#   ops/lib/sandbox.sh [OPTION..] COMMAND [ARG..]   run COMMAND inside, and exit with its status
#   ops/lib/sandbox.sh [OPTION..] --hold            print a process ID on stdout when the sandbox is ready, and keep the
#                                                   sandbox until stdin or this process ends
#   ops/lib/sandbox.sh --enter PID COMMAND [ARG..]  run COMMAND in the sandbox of the PID that --hold printed
#
#   --trixie         use Debian 13 with Podman 5 (ops/lib/trixie.sh) instead of this machine's system
#   --tree DIR       use the system in DIR unchanged; Podman is not configured
#   --bind SRC:DST   mount the machine's SRC (file or folder) at DST, writable: changes affect the machine
#   --copy SRC:DST   copy the file SRC to DST, with its mode
#   --image NAME     load the test image flatnet-test/NAME before COMMAND starts (ops/lib/images.sh list)
#   --               end of options
#
# Inside, the file system is an overlay over the machine's (or the Debian 13 tree), and changes stay in memory.
# The machine's Flatnet, CNI and container files are hidden, /run and /dev/shm are empty, the network has only
# `lo`, and Podman's configuration is in /etc/containers. The environment is empty except for PATH, HOME, TERM, FLATNET_*, CARGO_* and RUST*, without
# RUST_BACKTRACE.
set -euo pipefail

ops_lib=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
self=$ops_lib/sandbox.sh

# The private tmpfs is mounted on /run, which every system has and which is replaced inside anyway.
base=/run
root=$base/flatnet-sandbox/root
image_cache=${FLATNET_IMAGES:-/var/cache/flatnet-test/images}
ops_inside=/usr/local/lib/flatnet-test
runtime_inside=/usr/local/lib/flatnet-runtime

# Files of Flatnet and Podman on this machine, hidden inside.
hidden=(
    /etc/flatnet /etc/cni /etc/containers /opt/cni /var/lib/flatnet /var/lib/cni /var/lib/containers
    /var/log/flatnet /usr/local/bin/flatnet /usr/local/libexec/netavark /usr/libexec/netavark
    /usr/bin/flatnet /usr/lib/cni/flatnet /usr/lib/systemd/system/flatnet.service /usr/lib/systemd/system/flatnet-gc.service
    /usr/lib/systemd/system/flatnet-gc.timer /usr/lib/systemd/system/flatnet-repair.service /usr/lib/systemd/system/flatnet-gateway.service
    /usr/lib/systemd/system/flatnet-gateway-watch.service /usr/lib/systemd/system/flatnet-metrics.service
    /usr/lib/systemd/system/flatnet-metrics.timer /etc/logrotate.d/flatnet
    /etc/systemd/network/05-flatnet.network /usr/lib/systemd/network/05-flatnet.network
    /etc/NetworkManager/conf.d/90-flatnet.conf /usr/lib/NetworkManager/conf.d/90-flatnet.conf
)

# --- outside: the options, then the namespaces --------------------------------------------------

trixie_tree=
untouched=0
hold=0
binds=()
copies=()
images=()
command=()

usage() { sed -n '2,/^set -euo/{/^#/s/^# \{0,1\}//p}' "$self" >&2; }

fail_usage() {
    usage
    fail "" "sandbox.sh: $1"
}

parse_options() {
    while (($# > 0)); do
        case $1 in
            --trixie) trixie_tree=$("$ops_lib/trixie.sh") ;;
            --tree) trixie_tree=${2-} untouched=1 && shift ;;
            --bind) binds+=("${2-}") && shift ;;
            --copy) copies+=("${2-}") && shift ;;
            --image) images+=("${2-}") && shift ;;
            --hold) hold=1 ;;
            --help | -h) usage && exit 0 ;;
            --) shift && break ;;
            -*) fail_usage "unknown option \"$1\"." ;;
            *) break ;;
        esac
        shift || fail_usage "the last option requires a value."
    done
    command=("$@")
    if ((hold == 0 && ${#command[@]} == 0)); then fail_usage "the command is missing."; fi
    if ((hold == 1 && ${#command[@]} > 0)); then fail_usage "--hold takes no command."; fi
}

check_pairs() {
    local pair
    for pair in "${binds[@]}" "${copies[@]}"; do
        [[ $pair == ?*:/?* ]] || fail_usage "\"$pair\" is not of the form SRC:DST with an absolute DST."
        [[ -e ${pair%:*} ]] || fail "sandbox.sh: ${pair%:*} does not exist." "Build or make it first."
    done
}

# Killing this process must end the sandbox, with any signal:
# - the trap handles a catchable one and kills `unshare`, which blocks SIGTERM while it waits for its child;
# - after SIGKILL the kernel kills `unshare` (--pdeathsig), and then the first process inside (--kill-child);
# - when the first process of a PID namespace ends, the kernel kills all others before `unshare` returns.
# A background job of a script starts with SIGINT ignored and stdin closed: both are restored.
start() {
    local unshare_id='' status=0
    trap '[[ -z $unshare_id ]] || kill -KILL "$unshare_id" 2>/dev/null; exit 143' TERM HUP
    trap '[[ -z $unshare_id ]] || kill -KILL "$unshare_id" 2>/dev/null; exit 130' INT
    env --default-signal=INT,QUIT setpriv --pdeathsig KILL \
        unshare --net --mount --pid --uts --ipc --cgroup --fork --kill-child --propagation private -- \
        bash "$self" --inside "$hold" "$trixie_tree" "$untouched" \
        "${#binds[@]}" "${binds[@]}" "${#copies[@]}" "${copies[@]}" "${#images[@]}" "${images[@]}" \
        "${command[@]}" <&0 &
    unshare_id=$!
    wait "$unshare_id" || status=$?
    exit "$status"
}

# --- inside: the mounts ---------------------------------------------------------------------------

# A whiteout in the upper folder hides the path below. It is valid only over an existing path.
hide_below() { # UPPER LOWER MOUNTPOINT
    local path relative
    for path in "${hidden[@]}"; do
        [[ $path == "${3%/}"/* ]] || continue
        relative=${path#"${3%/}"}
        if [[ -e $2$relative || -L $2$relative ]]; then
            mkdir -p "$1${relative%/*}"
            mknod "$1$relative" c 0 0
        fi
    done
}

# Mounts an overlay over the folder LOWER at MOUNTPOINT inside.
overlays=0
mount_overlay() { # LOWER MOUNTPOINT
    local layer=$base/flatnet-sandbox/layer$((overlays += 1))
    mkdir -p "$layer/upper" "$layer/work"
    chmod --reference="$1" "$layer/upper"
    hide_below "$layer/upper" "${1%/}" "$2"
    mount -t overlay overlay -o "lowerdir=$1,upperdir=$layer/upper,workdir=$layer/work" "$root$2"
}

mount_read_only() { # SOURCE MOUNTPOINT
    mount --bind "$1" "$root$2" && mount -o remount,bind,ro "$root$2"
}

# An overlay of / does not contain other file systems mounted below it (a separate /var or /home, a tmpfs /tmp).
mount_other_file_systems() { # reads /proc/self/mountinfo as it was before
    local path type
    while IFS=$'\t' read -r path type; do
        case $path/ in
            / | //* | /proc/* | /sys/* | /dev/* | /run/* | /snap/* | /var/snap/*) continue ;;
            /var/lib/docker/* | /var/lib/containers/*) continue ;;
        esac
        [[ -e $root$path ]] || continue
        case $type in
            ext[234] | xfs | btrfs | zfs | f2fs | tmpfs)
                if [[ -d $path ]]; then
                    mount_overlay "$path" "$path" 2>/dev/null || mount_read_only "$path" "$path"
                else
                    mount_read_only "$path" "$path"
                fi
                ;;
            overlay | squashfs | 9p | drvfs | virtiofs | nfs | nfs4 | cifs | fuse*)
                # An unreachable share must not stop a test.
                mount_read_only "$path" "$path" 2>/dev/null || true
                ;;
        esac
    done
}

# mountinfo: "36 35 98:0 /root /mount/point opts [tags] - type source opts", blanks in names as \040.
list_mounts() {
    local line fields path
    while read -r line; do
        read -ra fields <<<"${line%% - *}"
        printf -v path '%b' "${fields[4]}"
        line=${line#* - }
        printf '%s\t%s\n' "$path" "${line%% *}"
    done </proc/self/mountinfo
}

# Separate device nodes, so that changes in /dev do not affect the machine.
mount_dev() {
    local node
    mount -t tmpfs -o mode=755,size=16m tmpfs "$root/dev"
    mkdir -p "$root"/dev/{pts,shm,net,mqueue}
    for node in null zero full random urandom tty console ptmx fuse net/tun kmsg kvm; do
        if [[ -c /dev/$node ]]; then cp -a "/dev/$node" "$root/dev/$node"; fi
    done
    # The machine's pts, because stdin may be one of its terminals.
    mount --bind /dev/pts "$root/dev/pts"
    mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
    mount -t mqueue mqueue "$root/dev/mqueue"
    ln -s /proc/self/fd "$root/dev/fd"
    ln -s fd/0 "$root/dev/stdin"
    ln -s fd/1 "$root/dev/stdout"
    ln -s fd/2 "$root/dev/stderr"
}

# A new /proc for the PID namespace and a new /sys for the network namespace. Only net/ of /proc/sys belongs to
# the sandbox, so the rest is read-only. crun rejects a cgroup v1/v2 mixture ("hybrid"), and systems differ, so
# the sandbox always has a read-only v2 tree, and containers run without cgroups.
mount_kernel_file_systems() {
    mount -t proc proc "$root/proc"
    echo sandbox >"$root/proc/sys/kernel/hostname"
    mount --bind "$root/proc/sys" "$root/proc/sys"
    mount --bind "$root/proc/sys/net" "$root/proc/sys/net"
    mount -o remount,bind,ro "$root/proc/sys"
    mount -t sysfs sysfs "$root/sys"
    mount -t cgroup2 -o ro cgroup2 "$root/sys/fs/cgroup"
}

# Overlay storage does not work on an overlay, so Podman's is on the tmpfs.
mount_memory() {
    mkdir -p "$root/var/lib/containers" "$base/flatnet-sandbox/containers"
    mount --bind "$base/flatnet-sandbox/containers" "$root/var/lib/containers"
    mount -t tmpfs -o mode=755 tmpfs "$root/run"
    mkdir -p "$root/run/lock" "$root/run/netns"
}

make_mount_point() { # SOURCE DESTINATION, of the same kind
    if [[ -d $1 ]]; then
        mkdir -p "$2"
    elif [[ ! -e $2 ]]; then
        mkdir -p "${2%/*}"
        : >"$2"
    fi
}

mount_binds() {
    local pair
    for pair in "${binds[@]}"; do
        make_mount_point "${pair%:*}" "$root${pair##*:}"
        mount --bind "${pair%:*}" "$root${pair##*:}"
    done
}

mount_tools() {
    mkdir -p "$root$ops_inside"
    mount_read_only "$ops_lib" "$ops_inside"
    if [[ -n $trixie_tree && -d $image_cache ]]; then
        mkdir -p "$root$image_cache"
        mount_read_only "$image_cache" "$image_cache"
    fi
}

copy_files() {
    local pair
    for pair in "${copies[@]}"; do
        mkdir -p "$(dirname "$root${pair##*:}")"
        cp --preserve=mode "${pair%:*}" "$root${pair##*:}"
    done
}

# --- inside: the configuration --------------------------------------------------------------------

# From the list of packages, because `podman --version` takes a tenth of a second, in each sandbox.
podman_major() {
    local version
    version=$(sed -n '/^Package: podman$/,/^$/s/^Version: //p' "$root/var/lib/dpkg/status" 2>/dev/null) || version=
    [[ -n $version ]] || version=$(chroot "$root" podman --version 2>/dev/null) || return 1
    version=${version##* }
    echo "${version%%.*}"
}

# Debian's Podman 5 has no CNI. Podman 4 prefers netavark if it is installed and CNI is not configured.
network_section() {
    if [[ $(podman_major) == [0-4] ]]; then
        printf '%s\n' 'network_backend = "cni"' 'cni_plugin_dirs = ["/opt/cni/bin", "/usr/lib/cni"]' \
            'network_config_dir = "/etc/cni/net.d"'
    else
        printf '%s\n' 'network_backend = "netavark"' \
            'netavark_plugin_dirs = ["/usr/local/libexec/netavark", "/usr/libexec/netavark"]'
    fi
}

# Settings for containers in a sandbox, in addition to the rest of Podman's configuration.
sandbox_sections() {
    cat <<CONF
[containers]
# No cgroups and no AppArmor profiles: both would affect the machine.
cgroups = "disabled"
pids_limit = 0
apparmor_profile = "unconfined"
label = false
log_driver = "k8s-file"
default_ulimits = ["nofile=1024:4096", "nproc=4096:4096"]

[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "crun"

[engine.runtimes]
crun = ["$runtime_inside/crun"]
CONF
}

write_podman_configuration() {
    local containers=$root/etc/containers
    if ((untouched == 1)); then
        mkdir -p "$containers/containers.conf.d"
        sandbox_sections >"$containers/containers.conf.d/sandbox.conf"
        return
    fi
    # Podman does not report if a folder of cni_plugin_dirs is missing.
    mkdir -p "$containers" "$root/etc/cni/net.d" "$root/opt/cni/bin" "$root/usr/local/libexec/netavark"
    { sandbox_sections && printf '\n[network]\n' && network_section; } >"$containers/containers.conf"
    printf '%s\n' '[storage]' 'driver = "overlay"' 'graphroot = "/var/lib/containers/storage"' \
        'runroot = "/run/containers/storage"' >"$containers/storage.conf"
    echo '{"default":[{"type":"insecureAcceptAnything"}]}' >"$containers/policy.json"
    echo 'short-name-mode = "disabled"' >"$containers/registries.conf"
    write_package_query
}

# For the versions in `podman info` Podman asks the first of rpm, dlocate and dpkg that it finds: dpkg reads all lists of files,
# several times.
write_package_query() {
    [[ ! -e $root/usr/bin/rpm ]] || return 0
    printf '%s\n' '#!/bin/sh' 'echo sandbox' >"$root/usr/bin/rpm"
    chmod 755 "$root/usr/bin/rpm"
}

# `cgroups = "disabled"` applies to `podman run` only; for buildah and `podman build` the runtime disables them.
write_runtime() {
    mkdir -p "$root$runtime_inside"
    printf '%s\n' '#!/bin/sh' 'exec /usr/bin/crun --cgroup-manager=disabled "$@"' >"$root$runtime_inside/crun"
    chmod 755 "$root$runtime_inside/crun"
}

# The machine's resolv.conf may link to the hidden /run, and its name servers are unreachable. 192.0.2.53 is
# reserved for documentation (RFC 5737); Podman replaces loopback addresses with public servers.
write_names() {
    rm -f "$root/etc/resolv.conf" "$root/etc/hosts" "$root/etc/hostname"
    echo 'nameserver 192.0.2.53' >"$root/etc/resolv.conf"
    printf '%s\n' '127.0.0.1 localhost sandbox' '::1 localhost' >"$root/etc/hosts"
    echo sandbox >"$root/etc/hostname"
}

# --- inside: the command --------------------------------------------------------------------------

# After this, no path leads to the machine's files.
change_root() {
    cd "$root"
    pivot_root . .
    umount --lazy .
    cd /
}

system_path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

# The caller's settings for proxies, Podman, systemd and so on would affect the tests.
clean_environment() {
    local name
    environment=("PATH=$system_path" "HOME=${HOME:-/root}" "TERM=${TERM:-dumb}" LANG=C.UTF-8 USER=root)
    # Cargo may be in a folder of the caller. The Debian 13 tree contains only the system.
    [[ -n $trixie_tree ]] || environment+=("PATH=$system_path:$PATH")
    for name in $(compgen -e); do
        case $name in
            # With it each failed command of an unoptimized flatnet reads its symbols: half a second of a processor.
            RUST_BACKTRACE) ;;
            FLATNET_* | CARGO_* | RUST*) environment+=("$name=${!name}") ;;
        esac
    done
}

read_numbered() { # NAME COUNT VALUE..
    local -n list=$1
    # shellcheck disable=SC2034 # a reference to the caller's array
    list=("${@:3:$2}")
}

# This shell stays the first process of the sandbox, and reaps orphaned processes such as conmon's.
inside() {
    hold=$1
    trixie_tree=$2
    untouched=$3
    shift 3
    read_numbered binds "$@" && shift $((1 + $1))
    read_numbered copies "$@" && shift $((1 + $1))
    read_numbered images "$@" && shift $((1 + $1))

    local first_process mounts directory=$PWD environment=()
    # /proc is still the machine's, so this is the process ID outside the sandbox.
    read -r first_process _ </proc/self/stat
    mounts=$(list_mounts)
    build_root
    change_root
    clean_environment
    cd "$directory" 2>/dev/null || cd /
    if ((${#images[@]} > 0)); then env -i "${environment[@]}" bash "$ops_inside/images.sh" load "${images[@]}"; fi
    if ((hold == 1)); then
        echo "$first_process"
        cat >/dev/null
        exit
    fi
    local status=0
    env -i "${environment[@]}" "$@" || status=$?
    exit "$status"
}

build_root() {
    ip link set lo up
    mount -t tmpfs -o mode=755 tmpfs "$base"
    mkdir -p "$root"
    mount_overlay "${trixie_tree:-/}" / || fail "sandbox.sh: cannot mount an overlay over ${trixie_tree:-/}." \
        "The kernel limits nesting to two levels: run it on the machine, not in a sandbox or container."
    if [[ -z $trixie_tree ]]; then mount_other_file_systems <<<"$mounts"; fi
    mount_kernel_file_systems
    mount_dev
    mount_memory
    mount_tools
    write_podman_configuration
    write_runtime
    write_names
    copy_files
    mount_binds
}

# nsenter passes on the caller's environment, so it is replaced here too.
enter() {
    local id=${1-} environment=()
    [[ $id =~ ^[0-9]+$ ]] || fail_usage "--enter requires the process ID that --hold printed."
    [[ -d /proc/$id ]] || fail "sandbox.sh: process $id does not exist: the sandbox has ended." "Start one with --hold."
    shift
    trixie_tree=unknown
    clean_environment
    exec nsenter --target "$id" --net --mount --pid --uts --ipc --cgroup -- env -i "${environment[@]}" "$@"
}

main() {
    # shellcheck source=ops/lib/install.sh
    source "$ops_lib/install.sh"
    # Not `inside && exit`: bash ignores `set -e` on the left of an &&.
    case ${1-} in
        --inside) inside "${@:2}" ;;
        --enter) enter "${@:2}" ;;
    esac
    require_root "sandbox.sh"
    parse_options "$@"
    check_pairs
    if ((${#images[@]} > 0)); then "$ops_lib/images.sh" make "${images[@]}"; fi
    start
}

main "$@"
