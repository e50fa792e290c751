//! The Debian package through its life: installed, used, upgraded, removed, purged, beside running containers.

use std::path::Path;

use crate::package::{deb, older_deb};
use crate::podman::{Flavour, IMAGE};
use crate::sandbox::{Output, Sandbox};
use crate::world::World;

pub(crate) const DEB: &str = "/root/flatnet.deb";
const OLDER: &str = "/root/flatnet-older.deb";
/// The container's web server: browsers get its page, and tests hold a connection to it.
const WEB: &str = "http://10.87.1.2/";

/// A host without Flatnet; the package is at [`DEB`].
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) sandbox: Sandbox,
    flavour: Flavour,
}

impl Host {
    pub(crate) fn start(flavour: Flavour) -> Self {
        let builder = match flavour {
            Flavour::Cni => Sandbox::podman4(),
            Flavour::Netavark => Sandbox::trixie(),
        };
        let sandbox = builder
            .image("busybox")
            .copy(&deb(), DEB)
            .copy(&older_deb(), OLDER)
            .bind(Path::new(env!("CARGO_MANIFEST_DIR")), "/src")
            .start();
        // Also removes this machine's own Flatnet. Indexing manual pages takes longer than a step, so it is disabled.
        sandbox
            .sh("rm -f /usr/local/bin/flatnet /var/lib/man-db/auto-update; dpkg --purge flatnet")
            .succeeds();
        Self { sandbox, flavour }
    }

    fn apt(&self, words: &str) -> Output {
        self.sandbox
            .sh(&format!("export DEBIAN_FRONTEND=noninteractive; apt-get -q -y {words} 2>&1 | tr -d '\\r'"))
    }

    /// Follows the output of `flatnet init`.
    fn set_up(&self) {
        self.sandbox.sh("flatnet init && flatnet up").succeeds();
        if self.flavour == Flavour::Netavark {
            self.sandbox.sh("podman network create -d flatnet flatnet").succeeds();
        }
    }

    fn run_web(&self) {
        // The sandbox's name server does not answer, which the doctor reports.
        let run = "podman run -d --name web --network flatnet --dns none";
        self.sandbox.sh(&format!("{run} {IMAGE}")).succeeds();
        self.answers();
    }

    /// Asserts that the container answers at its flat address.
    #[track_caller]
    fn answers(&self) {
        self.sandbox.eventually(&format!("curl -sS -m 2 {WEB} | grep -q hello"));
    }

    /// Every file that a package, Flatnet or Podman may leave, except Podman's and apt's own state, and /tmp and /root, which the
    /// machine shares with the sandbox.
    pub(crate) fn files(&self) -> String {
        self.sandbox
            .sh("find /etc /opt /usr /var /run -path /var/tmp -prune -o -path /var/lib/containers -prune -o -path /var/lib/dpkg -prune -o \
                 -path /var/cache -prune -o -path /var/log -prune -o -path /var/lib/apt -prune -o -path /run/containers -prune -o \
                 -path /usr/local/lib/flatnet-test -prune -o -path /run/crun -prune -o -path /run/libpod -prune -o \
                 -name cni.lock -o -path '/var/lib/cni*' -type d -o -path '/run/lock*' -o -path '/run/netns*' -o \
                 -path '/etc/containers/networks*' -type d -o -name 'netavark.lock' -o -path /run -o -path /etc/ld.so.cache -o \
                 ! -type d -printf '%p %y %m %s %l\\n' -o -printf '%p %y %m\\n' | sort; ls -d /var/log/flatnet 2>/dev/null || true")
            .succeeds()
            .stdout
    }
}

/// Asserts that both lists have the same lines.
#[track_caller]
pub(crate) fn assert_same_files(before: &str, after: &str) {
    let difference = |one: &str, other: &str, sign: char| {
        let there: std::collections::BTreeSet<&str> = other.lines().collect();
        one.lines()
            .filter(|line| !there.contains(line))
            .map(|line| format!("{sign} {line}\n"))
            .collect::<String>()
    };
    let text = difference(before, after, '-') + &difference(after, before, '+');
    assert!(text.is_empty(), "files differ (- missing, + left behind):\n{text}");
}

fn it_is_installed_used_removed_installed_again_and_purged_without_a_trace(host: &Host) {
    let sandbox = &host.sandbox;
    sandbox.sh("mkdir -p /var/lib/prometheus/node-exporter").succeeds();
    let (files, kernel) = (host.files(), World::of(sandbox));
    assert!(files.lines().count() > 5000 && files.contains("/etc/passwd f 644"), "{files}");
    host.apt(&format!("install {DEB}")).prints("next: run `flatnet init`");
    sandbox.sh("flatnet --version; ls /etc/flatnet /etc/cni/net.d 2>&1 || true").prints("flatnet ");
    kernel.assert_is_back(sandbox);
    // Where systemd runs, `flatnet init` finds the package's links and units, and makes no second copy.
    let said = sandbox.sh("mkdir -p /run/systemd/system /run/NetworkManager; flatnet init; rm -r /run/systemd /run/NetworkManager").succeeds().stdout;
    for there in
        ["/usr/lib/cni/flatnet -> /usr/bin/flatnet", "/usr/libexec/netavark/flatnet -> /usr/bin/flatnet"]
            .into_iter()
            .chain([
                "flatnet.service",
                "flatnet-repair.service",
                "flatnet-gc.timer",
                "flatnet-metrics.timer",
                "flatnet-dns.service",
                "flatnet-gateway-watch.service",
            ])
            .chain(["/network/05-flatnet.network", "/NetworkManager/conf.d/90-flatnet.conf"])
    {
        let line = said.lines().find(|line| line.ends_with(there)).unwrap_or_default();
        assert!(line.starts_with("unchanged   /usr/lib"), "{there}: {said}");
    }
    sandbox
        .sh("ls -A /opt/cni/bin /usr/local/libexec/netavark /etc/systemd/system | grep flatnet")
        .exits_with(1);
    host.set_up();
    host.run_web();
    sandbox.sh("flatnet doctor").prints("is /usr/bin/flatnet\n");
    sandbox
        .sh("flatnet metrics --publish; ls /var/lib/prometheus/node-exporter")
        .prints_exactly("flatnet.prom");

    // The package is removed while a container runs; the container keeps running.
    let said = host.apt("remove flatnet").prints("flatnet: 1 container is attached: web\n").stdout;
    assert!(said.contains("flatnet: They keep running and stay reachable"), "{said}");
    host.answers();
    sandbox.sh("command -v flatnet").exits_with(1);
    sandbox.sh("ls /var/lib/prometheus/node-exporter").prints_exactly("");
    sandbox.sh("cat /etc/flatnet/flatnet.yaml | grep ^subnet; podman ps -q").prints("10.87.1.0/24\n");
    host.apt(&format!("install {DEB}")).succeeds();
    host.answers();
    sandbox.sh("flatnet repair; flatnet plan --exit-code").prints("Nothing to do");
    sandbox.sh("podman rm -f -t 0 web; flatnet ps").succeeds();

    // Without containers, removal undoes `up`; the configuration stays until purge.
    host.apt("remove flatnet").succeeds();
    kernel.clone().without_files().assert_is_back_but_for_files(sandbox);
    sandbox
        .sh("ls /etc/flatnet/flatnet.yaml /etc/logrotate.d/flatnet /var/lib/flatnet/flatnet/leases.json")
        .succeeds();
    host.apt("purge flatnet").succeeds();
    kernel.assert_is_back(sandbox);
    assert_same_files(&files, &host.files());
    sandbox.sh("podman network exists flatnet").exits_with(1);
    sandbox.sh("dpkg-query -W flatnet").fails();
}

fn purge_under_running_container_explains_cleanup(host: &Host) {
    let sandbox = &host.sandbox;
    // NetworkManager's folder, as on a host that has NetworkManager.
    sandbox.sh("mkdir -p /etc/NetworkManager/conf.d").succeeds();
    let (files, kernel) = (host.files(), World::of(sandbox));
    host.apt(&format!("install {DEB}")).succeeds();
    host.set_up();
    // Another network, its units, and the links that `systemctl enable` makes.
    sandbox
        .sh("mkdir -p /run/systemd/system /run/NetworkManager
             flatnet init --network lab --bridge lab-br0 --host 8 --config /etc/flatnet/lab.yaml
             rm -r /run/systemd /run/NetworkManager
             ls /etc/systemd/network/05-flatnet@lab.network /etc/NetworkManager/conf.d/90-flatnet@lab.conf
             flatnet --config /etc/flatnet/lab.yaml up
             mkdir -p /etc/systemd/system/{timers.target,nftables.service}.wants; cd /etc/systemd/system
             ln -s /usr/lib/systemd/system/flatnet.service multi-user.target.wants/flatnet.service
             ln -s /usr/lib/systemd/system/flatnet-gc.timer timers.target.wants/flatnet-gc.timer
             ln -s /etc/systemd/system/flatnet@lab.service multi-user.target.wants/flatnet@lab.service
             ln -s /usr/lib/systemd/system/flatnet-repair.service nftables.service.wants/flatnet-repair.service
             ln -s /etc/systemd/system/flatnet-repair@lab.service nftables.service.wants/flatnet-repair@lab.service
             grep -h ^ExecStart flatnet@lab.service")
        .prints("\n/etc/systemd/network/05-flatnet@lab.network\n")
        .prints("ExecStart=/usr/bin/flatnet --config /etc/flatnet/lab.yaml --command-seconds 60 up\n");
    host.run_web();
    let said =
        host.apt("purge flatnet").prints("flatnet: containers are attached to flatnet, so bridge").stdout;
    host.answers();
    sandbox.sh("ip -br link show lab-br0").complains("does not exist");
    sandbox.sh("ls -d /etc/flatnet /var/lib/flatnet /run/flatnet /etc/cni/net.d/*.conflist").fails();
    // The printed commands are run later. Podman reports that it cannot call the plugin.
    let commands: Vec<&str> =
        said.lines().skip_while(|line| !line.contains("then run as root:")).skip(1).collect();
    // On Debian 12 systemd's folder is /lib/systemd/network, and dpkg warns about files in /usr/lib/systemd/network.
    let others = ["flatnet: ", "Processing ", "dpkg: warning: while removing flatnet, directory "];
    let end = commands.iter().position(|line| others.iter().any(|words| line.starts_with(words)));
    let commands = commands[..end.unwrap_or(commands.len())].join("\n");
    assert!(commands.contains("nft") && commands.contains("flatnet-br0"), "{said}");
    sandbox.sh("podman rm -f -t 0 web || true").succeeds();
    sandbox.eventually("! ip -br link | grep ^fn");
    sandbox.sh(&commands).succeeds();
    if host.flavour == Flavour::Netavark {
        assert!(said.contains("the network flatnet remains in Podman"), "{said}");
        sandbox.sh("podman network rm flatnet").succeeds();
    }
    kernel.assert_is_back(sandbox);
    assert_same_files(&files, &host.files());
}

fn upgrade_keeps_state_and_connections(host: &Host) {
    let sandbox = &host.sandbox;
    host.apt(&format!("install {OLDER}")).succeeds();
    sandbox.sh("dpkg-query -W -f '${Version}' flatnet").prints_exactly("0.0.9-1");
    host.set_up();
    sandbox
        .sh("sed -i 's/^mtu: auto/mtu: 1400/' /etc/flatnet/flatnet.yaml; flatnet up; echo '# mine' >>/etc/logrotate.d/flatnet
             ln -s /usr/lib/systemd/system/flatnet.service /etc/systemd/system/multi-user.target.wants/flatnet.service")
        .succeeds();
    let echo = "nc -ll -p 7777 -e cat";
    sandbox.sh(&format!("podman run -d --name web --network flatnet {IMAGE} {echo}")).succeeds();
    let kept = "sha256sum /etc/flatnet/flatnet.yaml /etc/logrotate.d/flatnet; podman inspect --format '{{.State.StartedAt}} {{.State.Pid}}' web
        readlink /etc/systemd/system/multi-user.target.wants/flatnet.service; nft -a list table inet flatnet | sed -n 1p; flatnet ps --json | jq '.[].address'";
    let before = sandbox.sh(kept).succeeds().stdout;
    sandbox.eventually("exec 3<>/dev/tcp/10.87.1.2/7777");
    let said = sandbox
        .sh(&format!(
            "exec 3<>/dev/tcp/10.87.1.2/7777; echo before >&3; read -r -t 5 -u 3 line; echo \"$line\"
             DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Options::=--force-confold install {DEB} </dev/null
             echo after >&3; read -r -t 5 -u 3 line; echo \"$line\""
        ))
        .prints("\nafter\n")
        .stdout;
    assert!(
        said.starts_with("before\n")
            && said.contains("running containers and their connections are not affected"),
        "{said}"
    );
    assert_eq!(sandbox.sh(kept).succeeds().stdout, before);
    sandbox
        .sh("dpkg-query -W -f '${Version}' flatnet")
        .prints_exactly(&format!("{}-1", env!("CARGO_PKG_VERSION")));
    sandbox.sh("flatnet up; flatnet plan --exit-code").prints("Nothing to do");
}

mod debian12 {
    use crate::podman::Flavour::Cni;

    #[test]
    fn package_life_cycle_leaves_no_trace() {
        super::it_is_installed_used_removed_installed_again_and_purged_without_a_trace(&super::Host::start(
            Cni,
        ));
    }

    #[test]
    fn purge_under_running_container_explains_cleanup() {
        super::purge_under_running_container_explains_cleanup(&super::Host::start(Cni));
    }

    #[test]
    fn upgrade_keeps_state_and_connections() {
        super::upgrade_keeps_state_and_connections(&super::Host::start(Cni));
    }

    /// An upgrade neither starts nor stops `flatnet.service`, which sets up the host, and the gateway's unit, which
    /// holds connections.
    #[test]
    fn upgrade_restarts_watch_and_resolver_and_removal_stops_units() {
        let host = super::Host::start(Cni);
        // apt runs maintainer scripts with a PATH without /usr/local.
        host.sandbox.sh("rm -f /usr/bin/systemctl").succeeds();
        host.sandbox.write("/usr/bin/systemctl", "#!/bin/sh\nset -f; echo $* >>/root/asked\n");
        host.sandbox.sh("chmod 755 /usr/bin/systemctl; mkdir -p /run/systemd/system").succeeds();
        let asked = |words: &str| {
            host.apt(words).succeeds();
            host.sandbox.sh("grep flatnet /root/asked; rm /root/asked").succeeds().stdout
        };
        let restart = "try-restart flatnet-dns.service flatnet-gateway-watch*.service\n";
        assert_eq!(asked(&format!("install {}", super::OLDER)), restart);
        assert_eq!(asked(&format!("install {}", super::DEB)), restart);
        // A unit without its file would stay active or failed. If active, it would not start after the next
        // installation.
        assert_eq!(
            asked("remove flatnet"),
            "stop flatnet-dns.service flatnet-serve.socket flatnet-gc*.timer flatnet-metrics*.timer flatnet-gateway*.service flatnet-repair*.service flatnet.service flatnet@*.service\nreset-failed flatnet*\n"
        );
    }

    #[test]
    fn systemd_accepts_packaged_units() {
        let host = super::Host::start(Cni);
        host.apt(&format!("install {}", super::DEB)).succeeds();
        host.sandbox
            .sh("cd /usr/lib/systemd/system; systemd-analyze verify --man=yes flatnet*.service flatnet*.socket flatnet*.timer 2>&1 | grep -v /usr/sbin/nginx || true")
            .prints_exactly("");
        host.sandbox.sh("logrotate --debug /etc/logrotate.d/flatnet 2>&1").prints("Handling 1 logs");
    }
}

mod debian13 {
    use crate::podman::Flavour::Netavark;

    #[test]
    fn package_life_cycle_leaves_no_trace() {
        super::it_is_installed_used_removed_installed_again_and_purged_without_a_trace(&super::Host::start(
            Netavark,
        ));
    }

    #[test]
    fn purge_under_running_container_explains_cleanup() {
        super::purge_under_running_container_explains_cleanup(&super::Host::start(Netavark));
    }

    #[test]
    fn upgrade_keeps_state_and_connections() {
        super::upgrade_keeps_state_and_connections(&super::Host::start(Netavark));
    }
}
