//! `ops/quickstart --host` sets up Flatnet on a host, and `--remove` undoes everything.

use crate::package_life::{DEB, Host, assert_same_files};
use crate::podman::{Flavour, IMAGE};
use crate::world::World;

fn it_is_there_and_gone_again(flavour: Flavour) {
    let host = Host::start(flavour);
    let (sandbox, files, kernel) = (&host.sandbox, host.files(), World::of(&host.sandbox));
    let install = format!("FLATNET_PACKAGE={DEB} /src/ops/quickstart --host");
    let said = sandbox.sh(&install).prints("a container answered at 10.87.1.2; it is removed again").stdout;
    assert!(said.contains("unchanged   /usr/lib/cni/flatnet -> /usr/bin/flatnet\n"), "{said}");
    sandbox.sh("podman network exists flatnet; flatnet plan --exit-code").prints("Nothing to do");
    // A second installation, as of a newer build.
    sandbox.sh(&install).prints("a container answered at 10.87.1.");

    sandbox.sh(&format!("podman run -d --name web --network flatnet {IMAGE}")).succeeds();
    let refused = sandbox.sh("/src/ops/quickstart --remove").exits_with(1);
    assert!(
        refused.stderr.contains("containers on it: web\n") && refused.stderr.contains("podman rm -f"),
        "{refused}"
    );
    sandbox.sh("podman exec web true; flatnet plan --exit-code").prints("Nothing to do");

    sandbox.sh("podman rm -f -t 0 web").succeeds();
    sandbox.sh("/src/ops/quickstart --remove").prints("no links, rules or files are left");
    kernel.assert_is_back(sandbox);
    assert_same_files(&files, &host.files());
    sandbox.sh("/src/ops/quickstart --remove").prints("it is not installed");
    sandbox
        .sh("touch /usr/local/bin/flatnet; /src/ops/quickstart --remove")
        .complains("/usr/local/bin/flatnet");
}

#[test]
fn host_quickstart_works_on_debian_12() {
    it_is_there_and_gone_again(Flavour::Cni);
}

#[test]
fn host_quickstart_works_on_debian_13() {
    it_is_there_and_gone_again(Flavour::Netavark);
}

/// The script fails before it installs anything.
#[test]
fn host_quickstart_refuses_unsupported_podman() {
    let host = Host::start(Flavour::Cni);
    host.sandbox.sh("sed -i 's/\"cni\"/\"netavark\"/' /etc/containers/containers.conf").succeeds();
    host.sandbox
        .sh(&format!("FLATNET_PACKAGE={DEB} /src/ops/quickstart --host"))
        .complains("uses netavark in a version without plugins");
    host.sandbox.sh("ls /usr/bin/flatnet").fails();
}
