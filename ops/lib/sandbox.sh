#!/usr/bin/env bash
# Runs a command in a private world: network, processes, mounts and files of its own, where real Podman,
# nft and ip work as root and nothing reaches the machine. Everything is gone when the command ends.
#
#   ops/lib/sandbox.sh [OPTION..] COMMAND [ARG..]   run COMMAND inside and exit with its status
#   ops/lib/sandbox.sh [OPTION..] --hold            print a process id on stdout when the world is ready and keep it
#                                                   until stdin ends or this process does
#   ops/lib/sandbox.sh --enter PID COMMAND [ARG..]  run COMMAND in the world that --hold printed PID for
#
#   --trixie         the world is a Debian 13 with Podman 5 (ops/lib/trixie.sh) instead of this machine's system
#   --tree DIR       the world is the system in DIR as it is, with no Podman or one that is not configured
#   --bind SRC:DST   SRC (file or folder) of the machine is at DST inside, writable: changes reach the machine
#   --copy SRC:DST   a copy of the file SRC is at DST inside, keeping its mode
#   --image NAME     the test image flatnet-test/NAME is loaded before COMMAND starts (ops/lib/images.sh list)
#   --               what follows is the command
#
# Inside: the whole file system is an overlay over the machine's (or over the Debian 13 tree), written to memory;
# the machine's own Flatnet, CNI and container files are hidden, as on a fresh machine; /run and /dev/shm are
# empty; the network has `lo` and nothing else; Podman's configuration is in /etc/containers.
# The environment is clean but for PATH, HOME, TERM, FLATNET_*, CARGO_* and RUST*.
set -euo pipefail

ops_lib=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
self=$ops_lib/sandbox.sh

# The private tmpfs goes over /run, the one folder that every system has and that is replaced inside anyway.
base=/run
root=$base/flatnet-sandbox/root
image_cache=${FLATNET_IMAGES:-/var/cache/flatnet-test/images}
ops_inside=/usr/local/lib/flatnet-test
runtime_inside=/usr/local/lib/flatnet-runtime

# What a Flatnet or Podman on this machine left behind: not there inside.
hidden=(
    /etc/flatnet /etc/cni /etc/containers /opt/cni /var/lib/flatnet /var/lib/cni /var/lib/containers
    /var/log/flatnet /usr/local/bin/flatnet /usr/local/libexec/netavark /usr/libexec/netavark
    /usr/bin/flatnet /usr/lib/cni/flatnet /usr/lib/systemd/system/flatnet.service /usr/lib/systemd/system/flatnet-gc.service
    /usr/lib/systemd/system/flatnet-gc.timer /usr/lib/systemd/system/flatnet-repair.service /usr/lib/systemd/system/flatnet-gateway.service
    /usr/lib/systemd/system/flatnet-gateway-watch.service /etc/logrotate.d/flatnet
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
        shift || fail_usage "the last option lacks its value."
    done
    command=("$@")
    if ((hold == 0 && ${#command[@]} == 0)); then fail_usage "no command was given."; fi
    if ((hold == 1 && ${#command[@]} > 0)); then fail_usage "--hold takes no command."; fi
}

check_pairs() {
    local pair
    for pair in "${binds[@]}" "${copies[@]}"; do
        [[ $pair == ?*:/?* ]] || fail_usage "\"$pair\" is not SRC:DST with an absolute DST."
        [[ -e ${pair%:*} ]] || fail "sandbox.sh: ${pair%:*} does not exist." "Build or make it first."
    done
}

# Killing this process must end the sandbox, whatever the signal:
# - a catchable one reaches the trap, which kills `unshare` (that blocks SIGTERM while it waits for its child);
# - at SIGKILL the kernel kills `unshare` (--pdeathsig), and then the first process inside (--kill-child);
# - with the first process of a pid namespace die all others, before `unshare` returns.
# A background job of a script starts with SIGINT ignored and stdin closed: both are given back.
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

# A whiteout in the upper folder hides what is below. It is only valid over something that is there.
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

# Overlay number n: the folder $1 as $2 inside.
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

# An overlay of / does not show other file systems mounted below it (a separate /var or /home, a tmpfs /tmp).
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
                # A share that cannot be reached is no reason for a test not to start.
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

# A few device nodes of its own: a change in the machine's /dev would be a change of the machine.
mount_dev() {
    local node
    mount -t tmpfs -o mode=755,size=16m tmpfs "$root/dev"
    mkdir -p "$root"/dev/{pts,shm,net,mqueue}
    for node in null zero full random urandom tty console ptmx fuse net/tun kmsg kvm; do
        if [[ -c /dev/$node ]]; then cp -a "/dev/$node" "$root/dev/$node"; fi
    done
    # The machine's pts, since the terminal that stdin may be is one of them.
    mount --bind /dev/pts "$root/dev/pts"
    mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
    mount -t mqueue mqueue "$root/dev/mqueue"
    ln -s /proc/self/fd "$root/dev/fd"
    ln -s fd/0 "$root/dev/stdin"
    ln -s fd/1 "$root/dev/stdout"
    ln -s fd/2 "$root/dev/stderr"
}

# Fresh /proc for the pid namespace, fresh /sys for the network namespace. Of /proc/sys only net/ is the
# sandbox's own, so only that can be written. crun refuses a cgroup v1/v2 mixture ("hybrid"), and systems
# differ: everywhere the sandbox has the plain v2 tree, read-only, and containers run without cgroups.
mount_kernel_file_systems() {
    mount -t proc proc "$root/proc"
    echo sandbox >"$root/proc/sys/kernel/hostname"
    mount --bind "$root/proc/sys" "$root/proc/sys"
    mount --bind "$root/proc/sys/net" "$root/proc/sys/net"
    mount -o remount,bind,ro "$root/proc/sys"
    mount -t sysfs sysfs "$root/sys"
    mount -t cgroup2 -o ro cgroup2 "$root/sys/fs/cgroup"
}

# Overlay storage cannot lie on an overlay: Podman's is on the tmpfs itself.
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

podman_major() {
    local version
    version=$(chroot "$root" podman --version 2>/dev/null) || return 1
    version=${version##* }
    echo "${version%%.*}"
}

# Podman 5 as Debian builds it has no CNI; Podman 4 takes netavark, if it is there, unless told otherwise.
network_section() {
    if [[ $(podman_major) == [0-4] ]]; then
        printf '%s\n' 'network_backend = "cni"' 'cni_plugin_dirs = ["/opt/cni/bin", "/usr/lib/cni"]' \
            'network_config_dir = "/etc/cni/net.d"'
    else
        printf '%s\n' 'network_backend = "netavark"' \
            'netavark_plugin_dirs = ["/usr/local/libexec/netavark", "/usr/libexec/netavark"]'
    fi
}

# What containers need that run in a sandbox, whatever their Podman is otherwise told.
sandbox_sections() {
    cat <<CONF
[containers]
# No cgroups: they are the machine's. AppArmor profiles would be loaded into the machine's kernel.
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
    # opt/cni/bin is in cni_plugin_dirs: Podman says nothing if it is not there.
    mkdir -p "$containers" "$root/etc/cni/net.d" "$root/opt/cni/bin" "$root/usr/local/libexec/netavark"
    { sandbox_sections && printf '\n[network]\n' && network_section; } >"$containers/containers.conf"
    printf '%s\n' '[storage]' 'driver = "overlay"' 'graphroot = "/var/lib/containers/storage"' \
        'runroot = "/run/containers/storage"' >"$containers/storage.conf"
    echo '{"default":[{"type":"insecureAcceptAnything"}]}' >"$containers/policy.json"
    echo 'short-name-mode = "disabled"' >"$containers/registries.conf"
}

# `cgroups = "disabled"` is for `podman run`; buildah and `podman build` do not heed it, the runtime does.
write_runtime() {
    mkdir -p "$root$runtime_inside"
    printf '%s\n' '#!/bin/sh' 'exec /usr/bin/crun --cgroup-manager=disabled "$@"' >"$root$runtime_inside/crun"
    chmod 755 "$root$runtime_inside/crun"
}

# The machine's resolv.conf may be a link into the hidden /run, and its name servers cannot be reached.
# 192.0.2.53 is nobody's (RFC 5737); Podman drops loopback addresses and puts public servers in their place.
write_names() {
    rm -f "$root/etc/resolv.conf" "$root/etc/hosts" "$root/etc/hostname"
    echo 'nameserver 192.0.2.53' >"$root/etc/resolv.conf"
    printf '%s\n' '127.0.0.1 localhost sandbox' '::1 localhost' >"$root/etc/hosts"
    echo sandbox >"$root/etc/hostname"
}

# --- inside: the command --------------------------------------------------------------------------

# From here on the machine's files are out of reach: no path leads to them.
change_root() {
    cd "$root"
    pivot_root . .
    umount --lazy .
    cd /
}

system_path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

# The caller's settings for proxies, Podman, systemd and the like would reach into what is tested.
clean_environment() {
    local name
    environment=("PATH=$system_path" "HOME=${HOME:-/root}" "TERM=${TERM:-dumb}" LANG=C.UTF-8 USER=root)
    # Cargo may be in a folder of the caller's; in the Debian 13 tree there is nothing but the system.
    [[ -n $trixie_tree ]] || environment+=("PATH=$system_path:$PATH")
    for name in $(compgen -e); do
        case $name in
            FLATNET_* | CARGO_* | RUST*) environment+=("$name=${!name}") ;;
        esac
    done
}

read_numbered() { # NAME COUNT VALUE..
    local -n list=$1
    # shellcheck disable=SC2034 # a reference: the caller's array is filled
    list=("${@:3:$2}")
}

# This shell stays the first process of the sandbox: it reaps what conmon and others leave behind.
inside() {
    hold=$1
    trixie_tree=$2
    untouched=$3
    shift 3
    read_numbered binds "$@" && shift $((1 + $1))
    read_numbered copies "$@" && shift $((1 + $1))
    read_numbered images "$@" && shift $((1 + $1))

    local first_process mounts directory=$PWD environment=()
    # /proc is still the machine's: it knows this shell by the id that the machine sees.
    read -r first_process _ </proc/self/stat
    mounts=$(list_mounts)
    build_world
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

build_world() {
    ip link set lo up
    mount -t tmpfs -o mode=755 tmpfs "$base"
    mkdir -p "$root"
    mount_overlay "${trixie_tree:-/}" / || fail "sandbox.sh: no overlay can be mounted over ${trixie_tree:-/}." \
        "Is this a sandbox or container in another one? Two levels are the kernel's limit: run it on the machine."
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

# A process that is made by nsenter has the caller's environment: it gets the same clean one.
enter() {
    local id=${1-} environment=()
    [[ $id =~ ^[0-9]+$ ]] || fail_usage "--enter wants the process id that --hold printed."
    [[ -d /proc/$id ]] || fail "sandbox.sh: there is no process $id: that sandbox has ended." "Start one with --hold."
    shift
    trixie_tree=unknown
    clean_environment
    exec nsenter --target "$id" --net --mount --pid --uts --ipc --cgroup -- env -i "${environment[@]}" "$@"
}

main() {
    # shellcheck source=ops/lib/install.sh
    source "$ops_lib/install.sh"
    # Not `inside && exit`: bash forgets `set -e` in what is left of an &&.
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
