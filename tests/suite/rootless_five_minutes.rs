//! The README's five minutes as alice, without sudo, by the commands of README.md and docs/setup/rootless.md; and her containers as
//! units of systemd.

use crate::documents::page::Page;
use crate::podman::Flavour;
use crate::sandbox::{Output, Sandbox};

/// The images that the pages name, by those of the tests.
const NGINX: &str = "podman tag flatnet-test/web docker.io/library/nginx";

#[test]
fn podman4_follows_the_pages() {
    follow(Flavour::Cni);
}

#[test]
fn podman5_follows_the_pages() {
    follow(Flavour::Netavark);
}

/// The commands below a heading of a page.
fn commands(path: &str, heading: &str) -> Vec<String> {
    let page = Page::read(path).unwrap();
    let blocks =
        page.blocks.iter().filter(|block| block.heading.contains(heading) && block.language != "setup");
    let lines = blocks.flat_map(|block| {
        let is_console = block.language == "console";
        let words = page.inside(block).into_iter().map(move |line| {
            if is_console { line.strip_prefix("$ ").unwrap_or_default() } else { line }.to_owned()
        });
        words.collect::<Vec<_>>()
    });
    let found: Vec<String> = lines.filter(|line| !line.is_empty()).collect();
    assert!(!found.is_empty(), "{path} has no commands below {heading:?}");
    found
}

struct Host {
    sandbox: Sandbox,
    flavour: Flavour,
}

impl Host {
    fn start(flavour: Flavour) -> Self {
        let builder = if flavour == Flavour::Cni { Sandbox::podman4() } else { Sandbox::trixie() };
        let sandbox = builder.image("web").start();
        sandbox
            .sh(&format!("/usr/local/lib/flatnet-test/rootless_users.sh alice web; as alice {NGINX}"))
            .succeeds();
        Self { sandbox, flavour }
    }

    fn alice(&self, command: &str) -> Output {
        self.sandbox.write("/tmp/command", &format!("set -e\n{command}\n"));
        self.sandbox.sh("as alice bash /tmp/command")
    }

    /// Runs the commands of rootless.md as alice. Podman 4 has the network already.
    fn as_on_page(&self, commands: &[String]) {
        for command in commands {
            if self.flavour == Flavour::Netavark || !command.starts_with("podman network create") {
                self.alice(command).succeeds();
            }
        }
    }
}

fn follow(flavour: Flavour) {
    let host = Host::start(flavour);
    let page = "docs/setup/rootless.md";
    let of_user = commands(page, "As the user");
    let network = of_user.iter().position(|command| command.starts_with("podman run")).unwrap();
    let mut told = Vec::new();
    for command in commands("README.md", "Install") {
        match command.split(' ').take(2).collect::<Vec<_>>()[..] {
            ["flatnet", "init"] => drop(host.sandbox.sh(&command).succeeds()),
            ["flatnet", "up"] => {
                host.sandbox.sh(&command).succeeds();
                host.sandbox.sh(&commands(page, "Once, as root").join("\n")).succeeds();
                host.as_on_page(&of_user[..network]);
            }
            ["flatnet", "ps"] => drop(host.sandbox.sh(&command).prints("web.alice")),
            ["podman", "run" | "rm"] => drop(host.alice(&command).succeeds()),
            ["curl", _] => {
                host.sandbox.eventually("curl -s -o /dev/null http://10.87.1.2/");
                host.alice(&command).prints_exactly("200");
            }
            // What root does before, and after.
            _ => continue,
        }
        told.push(command.split(' ').take(2).collect::<Vec<_>>().join(" "));
    }
    assert_eq!(told, ["flatnet init", "flatnet up", "podman run", "flatnet ps", "curl -s", "podman rm"]);
    let (curl, before) = of_user[network..].split_last().unwrap();
    host.as_on_page(before);
    host.sandbox.eventually("curl -s -o /dev/null http://10.87.1.2/");
    host.alice(curl).prints_exactly("200");
    runs_as_unit(&host);
    host.sandbox.sh(&commands(page, "Taking it back").join("\n")).prints("gpasswd --delete alice flatnet");
    host.sandbox.sh("flatnet down").succeeds();
}

/// A user's systemd needs a cgroup that it can write to, which a sandbox has not: the commands of the unit are run by hand.
fn runs_as_unit(host: &Host) {
    let write = if host.flavour == Flavour::Netavark {
        let page = Page::read("docs/setup/rootless.md").unwrap().lines.join("\n");
        let mut files = page.split("```ini\n").skip(1).filter_map(|rest| Some(rest.split_once("```")?.0));
        for (name, text) in ["web.container", "flatnet.network"].into_iter().zip(files.by_ref()) {
            let text = text.replace("Network=flatnet\n", "Network=flatnet.network\n");
            host.sandbox.write(&format!("/tmp/units/{name}"), &text);
        }
        assert_eq!(files.next(), None);
        host.alice("podman rm -f -t 0 web; podman network rm flatnet; install -D -t .config/containers/systemd /tmp/units/*").succeeds();
        "mkdir -p units; /usr/lib/systemd/user-generators/podman-user-generator units; test -e units/default.target.wants/web.service"
    } else {
        "mkdir -p units; podman generate systemd --new --name web >units/web.service; podman rm -f -t 0 web"
    };
    host.alice(write).succeeds();
    let line = |unit: &str, key: &str| {
        format!(
            r#"$(sed -z 's/\\\n//g' units/{unit}.service | sed -n 's/^{key}=//p' | sed "s|%t|$XDG_RUNTIME_DIR|g; s/%[nN]/{unit}/g; s/--cgroups=[a-z-]*/--cgroups=disabled/")"#
        )
    };
    if host.flavour == Flavour::Netavark {
        host.alice(&line("flatnet-network", "ExecStart")).succeeds();
    }
    let start = format!("{}\n{}", line("web", "ExecStartPre"), line("web", "ExecStart"));
    for _ in 0..2 {
        host.alice(&start).succeeds();
        host.sandbox.eventually("curl -s -o /dev/null http://10.87.1.2/");
        host.alice(&line("web", "ExecStop")).succeeds();
        host.sandbox.eventually("[[ $(flatnet ps --json | jq length) == 0 ]]");
    }
}
