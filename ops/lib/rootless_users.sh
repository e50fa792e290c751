#!/usr/bin/env bash
# Makes users whose rootless Podman works, in a sandbox of ops/lib/sandbox.sh. Each has the given images.
#
#   ops/lib/rootless_users.sh USER[,USER..] [IMAGE..]
#
# Afterwards `as USER COMMAND..` runs a command in a new session of the user.
set -euo pipefail

ops_lib=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# A user namespace may mount its own /proc only if there is one that nothing is mounted over.
make_mounts_visible() {
    mount --make-rshared /
    mkdir -p /run/visible
    mountpoint -q /run/visible || mount -t proc proc /run/visible
    chmod 666 /dev/net/tun /dev/fuse
}

# Overlay storage does not work on an overlay, so homes are on a tmpfs.
make_user() { # USER
    local home=/home/$1 uid
    id "$1" >/dev/null 2>&1 || useradd --create-home --shell /bin/bash "$1"
    uid=$(id -u "$1")
    mount -t tmpfs -o mode=700 "home-of-$1" "$home"
    mkdir -p "/run/user/$uid" "$home/.config/containers"
    mount -t tmpfs -o mode=700 "run-of-$1" "/run/user/$uid"
    # The sandbox configures root's directory for all users.
    printf '[network]\nnetwork_config_dir = "%s"\n' "$2" >"$home/.config/containers/containers.conf"
    chown -R "$1:" "$home" "/run/user/$uid"
}

network_directory() { # USER
    if [[ $(podman --version) == *' '[0-4].* ]]; then
        echo "/home/$1/.config/cni/net.d"
    else
        echo "/home/$1/.local/share/containers/storage/networks"
    fi
}

write_as() {
    cat >/usr/local/bin/as <<'AS'
#!/usr/bin/env bash
# Runs a command in a new session of a user.
user=$1 && shift
exec setsid --wait runuser -u "$user" -- env -C "/home/$user" HOME="/home/$user" USER="$user" XDG_RUNTIME_DIR="/run/user/$(id -u "$user")" "$@"
AS
    chmod 755 /usr/local/bin/as
}

IFS=, read -ra users <<<"$1"
shift
make_mounts_visible
write_as
for user in "${users[@]}"; do
    make_user "$user" "$(network_directory "$user")"
    (($# == 0)) || as "$user" bash "$ops_lib/images.sh" load "$@"
done
