#!/usr/bin/env bash
# Container images for the tests, made from distribution packages without an image registry.
#
#   ops/lib/images.sh list             print their names
#   ops/lib/images.sh make [NAME..]    make NAME.tar (default: all) if it does not exist
#   ops/lib/images.sh load NAME..      in a sandbox: load it into Podman as flatnet-test/NAME
#
#   busybox    a shell, nc, ping, wget, ip, ..; runs httpd on port 80; /cgi-bin/who prints container and client
#   web        nginx on port 80; /who prints container and client
#   redis      Redis on port 6379, with redis-cli
#   postgres   PostgreSQL on port 5432, user postgres without password, with psql; ready about 2 s after start
#   app        a web application (Tornado) on port 80 whose page shows WebSocket messages and events
#   forge      cgit and git over HTTP on port 80: /cgit/ for browsing, /git/NAME to clone and push /srv/git/NAME
#   adminer    Adminer on port 80: a web front end for databases
#   libc       the program `resolve` twice: resolve-glibc and resolve-musl print names with their addresses
#
# Environment: FLATNET_IMAGES  the folder of the tar files (/var/cache/flatnet-test/images)
set -euo pipefail

ops_lib=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=ops/lib/install.sh
source "$ops_lib/install.sh"

cache=${FLATNET_IMAGES:-/var/cache/flatnet-test/images}
names=(busybox web redis postgres app forge adminer libc)

# --- files from packages --------------------------------------------------------------------------

# Dependencies are resolved as if nothing were installed, so that every library is included. Installation-only
# packages are skipped, and LLVM (30 MB), which PostgreSQL needs only for JIT. (--print-uris would omit packages in
# /var/cache/apt/archives.)
list_packages() { # PACKAGE..
    apt-get install --simulate -qq --no-install-recommends -o Dir::State::status=/dev/null "$@" |
        sed -n 's/^Inst \([^ ]*\) .*/\1/p' |
        grep -E "^(lib|zlib|tzdata|nginx|redis|postgresql|python3|git$|cgit|lighttpd$|php|adminer)" |
        grep -vE "^(libllvm|libz3|libperl|lib.*-perl|libapache2|postgresql-(client-)?common)"
}

# A merged /usr is created first, so that each library has one path.
unpack_packages() { # DIRECTORY PACKAGE..
    local unpacked=$1 folder packages deb
    shift
    packages=$(list_packages "$@" 2>/dev/null) || packages=
    if [[ -z $packages ]]; then
        update_package_lists
        packages=$(list_packages "$@") || fail "images.sh: apt-get cannot resolve: $*" \
            "Look at what this prints: apt-get install --simulate --no-install-recommends $*"
    fi
    for folder in bin sbin lib lib64; do
        mkdir -p "$unpacked/usr/$folder"
        ln -s "usr/$folder" "$unpacked/$folder"
    done
    mkdir "$unpacked/debs"
    # shellcheck disable=SC2086 # one word for each package
    (cd "$unpacked/debs" && apt-get download -qq -o APT::Sandbox::User=root $packages >&2) ||
        fail "images.sh: the packages for the test images could not be downloaded (see above)." \
            "Run \`apt-get update\` and try again."
    # `dpkg-deb --extract` would replace the links above with folders.
    for deb in "$unpacked"/debs/*.deb; do
        dpkg-deb --fsys-tarfile "$deb" | tar --extract --keep-directory-symlink --directory "$unpacked"
    done
    rm -rf "$unpacked/debs"
    cp "$busybox" "$unpacked/busybox"
}

# Copies programs or shared objects with every library that the loader in the tree finds for them.
copy_with_libraries() { # UNPACKED ROOTFS FILE..
    local unpacked=$1 rootfs=$2 loader file libraries library folder
    shift 2
    # In lib64 on x86-64, in lib on ARM.
    loader=$(cd "$unpacked" && find usr/lib64 usr/lib -maxdepth 1 -name 'ld-linux-*.so.*' -print -quit)
    [[ -n $loader ]] || fail "images.sh: libc6 as unpacked in $unpacked has no loader (ld-linux-*.so.*)." \
        "This machine's package layout is unknown to images.sh: please report it with \`cat /etc/os-release\`."
    for file in "$@" "/$loader"; do copy_file "$unpacked" "$rootfs" "$file"; done
    for file in "$@"; do
        libraries=$(chroot "$unpacked" "/$loader" --list "$file") ||
            fail "images.sh: $file in $unpacked lacks a library (named above)." \
                "Its package is not among those that list_packages in $0 keeps: add it there."
        while IFS= read -r library; do
            copy_file "$unpacked" "$rootfs" "$library"
        done < <(sed -n 's/.*=> \(\/[^ ]*\).*/\1/p' <<<"$libraries")
    done
    # Programs refer to the loader, and the loader to libraries, by paths without /usr.
    for folder in lib lib64; do
        [[ -e $rootfs/$folder ]] || ln -s "usr/$folder" "$rootfs/$folder"
    done
}

copy_file() { # UNPACKED ROOTFS FILE: the content of FILE under its name, links followed within UNPACKED
    local folder
    folder=$(merged "$(dirname "$3")")
    mkdir -p "$2$folder"
    # Run in a chroot, because a link such as /usr/lib64/ld-linux-.. -> /lib/.. would lead out of the tree.
    [[ -e $2$folder/${3##*/} ]] || chroot "$1" /busybox cat "$3" >"$2$folder/${3##*/}"
    chmod 755 "$2$folder/${3##*/}"
}

merged() { case $1 in /lib* | /bin* | /sbin*) echo "/usr$1" ;; *) echo "$1" ;; esac; }

# --- the images -----------------------------------------------------------------------------------

busybox=

find_busybox() {
    install_busybox
    busybox=$(command -v busybox)
}

busybox_root() { # ROOTFS: the part that all images share
    local applet
    mkdir -p "$1"/{bin,etc,proc,sys,dev,run,tmp,var/tmp,root}
    ln -s ../run "$1/var/run"
    chmod 1777 "$1/tmp" "$1/var/tmp"
    cp "$busybox" "$1/bin/busybox"
    for applet in $("$busybox" --list); do
        [[ $applet == busybox ]] || ln -sf busybox "$1/bin/$applet"
    done
    echo 'root:x:0:0:root:/root:/bin/sh' >"$1/etc/passwd"
    echo 'root:x:0:' >"$1/etc/group"
}

make_busybox() { # WORK ROOTFS
    mkdir -p "$2/www/cgi-bin"
    echo 'hello from flatnet-test/busybox' >"$2/www/index.html"
    cat >"$2/www/cgi-bin/who" <<'CGI'
#!/bin/sh
printf 'Content-Type: text/plain\r\n\r\n%s %s\n' "$(hostname)" "$REMOTE_ADDR"
CGI
    chmod 755 "$2/www/cgi-bin/who"
}

make_web() { # WORK ROOTFS
    unpack_packages "$1" nginx
    copy_with_libraries "$1" "$2" /usr/sbin/nginx
    mkdir -p "$2"/{etc/nginx,www,var/lib/nginx,var/log/nginx,usr/share/nginx}
    echo 'hello from flatnet-test/web' >"$2/www/index.html"
    cat >"$2/etc/nginx/nginx.conf" <<'CONF'
daemon off;
user root root;
worker_processes 1;
error_log stderr;
pid /run/nginx.pid;
events {}
http {
    access_log off;
    server {
        listen 80;
        root /www;
        location = /who { default_type text/plain; return 200 "$hostname $remote_addr\n"; }
    }
}
CONF
}

make_redis() { # WORK ROOTFS
    unpack_packages "$1" redis-server
    copy_with_libraries "$1" "$2" /usr/bin/redis-server /usr/bin/redis-cli
}

make_postgres() { # WORK ROOTFS
    local bin lib version objects
    unpack_packages "$1" postgresql
    bin=$(cd "$1" && echo usr/lib/postgresql/*/bin)
    lib=${bin%/bin}/lib
    version=$(basename "${bin%/bin}")
    objects=$(cd "$1" && ls "$lib"/{plpgsql,dict_snowball,libpqwalreceiver}.so)
    # shellcheck disable=SC2046,SC2086 # one word for each file
    copy_with_libraries "$1" "$2" $(printf "/$bin/%s " postgres initdb psql pg_isready) $(printf '/%s ' $objects)
    mkdir -p "$2/usr/bin" "$2/usr/share/postgresql" "$2/var/lib/postgresql" "$2/run/postgresql"
    cp -a "$1/usr/share/postgresql/$version" "$2/usr/share/postgresql/"
    cp -a "$1/usr/share/zoneinfo" "$2/usr/share/"
    ln -s "/$bin"/{postgres,initdb,psql,pg_isready} "$2/usr/bin/"
    write_postgres_start "$2"
    echo 'postgres:x:999:999::/var/lib/postgresql:/bin/sh' >>"$2/etc/passwd"
    echo 'postgres:x:999:' >>"$2/etc/group"
    chown 999:999 "$2/var/lib/postgresql" "$2/run/postgresql"
}

# initdb lists locales with `locale` of libc-bin; this replacement knows only C.
write_postgres_start() { # ROOTFS
    printf '#!/bin/sh\necho C\n' >"$1/usr/bin/locale"
    cat >"$1/usr/bin/start-postgres" <<'START'
#!/bin/sh
set -e
data=/var/lib/postgresql/data
if [ ! -s "$data/PG_VERSION" ]; then
    initdb --pgdata "$data" --auth trust --no-locale --encoding UTF8 --no-sync --username postgres >/dev/null
    echo 'host all all 0.0.0.0/0 trust' >>"$data/pg_hba.conf"
fi
exec postgres -D "$data" -c listen_addresses='*' -c jit=off -c shared_buffers=16MB "$@"
START
    chmod 755 "$1/usr/bin/locale" "$1/usr/bin/start-postgres"
}

# Python's modules and Tornado. They are imported once, so that bytecode is cached and containers start quickly.
make_app() { # WORK ROOTFS
    local python objects
    unpack_packages "$1" python3-tornado
    python=$(cd "$1" && ls usr/bin/python3.[0-9]*)
    objects=$(cd "$1" && find "usr/lib/${python##*/}/lib-dynload" usr/lib/python3/dist-packages/tornado -name '*.so')
    # shellcheck disable=SC2046,SC2086 # one word for each file
    copy_with_libraries "$1" "$2" "/$python" $(printf '/%s ' $objects)
    mkdir -p "$2/usr/lib/python3/dist-packages" "$2/srv/app"
    cp -a "$1/usr/lib/${python##*/}" "$2/usr/lib/"
    cp -a "$1/usr/lib/python3/dist-packages/tornado" "$2/usr/lib/python3/dist-packages/"
    ln -s "${python##*/}" "$2/usr/bin/python3"
    cp "$ops_lib"/images/app.{py,html} "$2/srv/app/"
    chroot "$2" /usr/bin/python3 -c 'import asyncio, tornado.web, tornado.websocket'
}

make_forge() { # WORK ROOTFS
    unpack_packages "$1" cgit git lighttpd
    copy_with_libraries "$1" "$2" /usr/sbin/lighttpd /usr/lib/lighttpd/mod_cgi.so /usr/bin/git \
        /usr/lib/git-core/git-http-backend /usr/lib/cgit/cgit.cgi
    mkdir -p "$2/usr/share/git-core/templates" "$2/var/www" "$2/srv/git"
    cp -a "$1/usr/share/cgit" "$2/usr/share/"
    cp "$ops_lib/images/cgitrc" "$2/etc/cgitrc"
    cp "$ops_lib/images/lighttpd.conf" "$2/etc/lighttpd.conf"
    # Anyone may push. Delta compression of large files is off, because it is slow.
    printf '%s\n' '[http]' 'receivepack = true' '[core]' 'bigFileThreshold = 1m' '[safe]' 'directory = *' >"$2/etc/gitconfig"
}

# Debian's configuration disables Adminer's version check.
make_adminer() { # WORK ROOTFS
    local php module
    unpack_packages "$1" adminer php-cli php-pgsql
    php=$(cd "$1" && ls usr/bin/php[0-9]*)
    module=$(cd "$1" && ls usr/lib/php/20*/pgsql.so)
    copy_with_libraries "$1" "$2" "/$php" "/$module"
    mkdir -p "$2/usr/share/adminer"
    cp -a "$1/etc/adminer" "$2/etc/"
    cp -a "$1"/usr/share/adminer/{adminer.php,plugins} "$2/usr/share/adminer/"
    ln -s "${php##*/}" "$2/usr/bin/php"
    printf '%s\n' "extension=/$module" 'display_errors=0' 'session.save_path=/tmp' >"$2/etc/php.ini"
}

make_libc() { # WORK ROOTFS
    local source=$ops_lib/images/resolve.c
    install_missing "the test image libc" cc:gcc musl-gcc:musl-tools
    unpack_packages "$1" libc-bin
    # glibc loads its parts for names, so it cannot be linked in as a whole.
    cc -O -o "$1/usr/bin/resolve-glibc" "$source"
    copy_with_libraries "$1" "$2" /usr/bin/resolve-glibc
    musl-gcc -O -static -o "$2/bin/resolve-musl" "$source"
    echo 'hosts: files dns' >"$2/etc/nsswitch.conf"
}

# An image's entry point and stop signal. As the first process, busybox's programs ignore SIGTERM, and `podman
# stop` would take 10 s, so they use SIGKILL.
changes() { # NAME
    case $1 in
        busybox) printf '%s\n' 'CMD ["httpd","-f","-p","0.0.0.0:80","-h","/www"]' 'EXPOSE 80' 'STOPSIGNAL SIGKILL' ;;
        libc) printf '%s\n' 'CMD ["sleep","3600"]' 'STOPSIGNAL SIGKILL' ;;
        web) printf '%s\n' 'CMD ["/usr/sbin/nginx"]' 'EXPOSE 80' ;;
        redis) printf '%s\n' 'CMD ["redis-server","--bind","0.0.0.0","--protected-mode","no","--save",""]' 'EXPOSE 6379' ;;
        app) printf '%s\n' 'CMD ["python3","/srv/app/app.py"]' 'EXPOSE 80' 'STOPSIGNAL SIGINT' ;;
        forge) printf '%s\n' 'CMD ["lighttpd","-D","-f","/etc/lighttpd.conf"]' 'EXPOSE 80' ;;
        adminer)
            printf '%s\n' 'CMD ["php","-c","/etc/php.ini","-S","0.0.0.0:80","/etc/adminer/conf.php"]' 'EXPOSE 80' \
                'ENV PHP_CLI_SERVER_WORKERS=4' 'STOPSIGNAL SIGKILL'
            ;;
        postgres) printf '%s\n' 'CMD ["start-postgres"]' 'EXPOSE 5432' 'USER postgres' 'STOPSIGNAL SIGINT' ;;
    esac
    echo 'ENV PATH=/usr/sbin:/usr/bin:/sbin:/bin'
}

# --- making and loading ---------------------------------------------------------------------------

check_name() {
    local name
    for name in "${names[@]}"; do [[ $name != "$1" ]] || return 0; done
    fail "images.sh: unknown test image \"$1\"." "Known images: ${names[*]}"
}

# The tar gets its name when it is complete, so that a reader never sees a part.
make_image() { # NAME
    local partial=$cache/$1.partial
    say "making the test image $1 (once, kept in $cache)"
    rm -rf --one-file-system "$partial"
    mkdir -p "$partial/packages" "$partial/rootfs"
    find_busybox
    busybox_root "$partial/rootfs"
    "make_$1" "$partial/packages" "$partial/rootfs"
    tar --create --numeric-owner --directory "$partial/rootfs" --file "$partial/image.tar" .
    mv "$partial/image.tar" "$cache/$1.tar"
    rm -rf --one-file-system "$partial"
}

make_image_once() { # NAME
    [[ ! -s $cache/$1.tar ]] || return 0
    require_root "images.sh make"
    mkdir -p "$cache"
    exec 9>"$cache/$1.lock"
    flock 9
    [[ -s $cache/$1.tar ]] || make_image "$1"
    exec 9>&-
}

load_image() { # NAME
    local arguments=() change
    [[ -s $cache/$1.tar ]] || fail "images.sh: $cache/$1.tar does not exist." \
        "Make it on the machine, outside of the sandbox: ops/lib/images.sh make $1"
    while IFS= read -r change; do arguments+=(--change "$change"); done < <(changes "$1")
    podman import --quiet "${arguments[@]}" "$cache/$1.tar" "flatnet-test/$1" >/dev/null
}

main() {
    local action=${1-} name
    shift || true
    for name in "$@"; do check_name "$name"; done
    case $action in
        list) printf '%s\n' "${names[@]}" ;;
        make) for name in "${@:-${names[@]}}"; do make_image_once "$name"; done ;;
        load) for name in "$@"; do load_image "$name"; done ;;
        *) fail "images.sh: unknown action \"$action\"." "Use: images.sh list | make [NAME..] | load NAME.." ;;
    esac
}

main "$@"
