//! The systemd units that `init` and `gateway install` write, from `templates/`: up and repair at boot, repair after
//! nftables.service, gc every hour, metrics, the resolver, `gateway watch`, and the gateway.

use std::path::Path;

pub(crate) use crate::kernel::observe::systemd_runs as is_booted;

use super::install::{Content, Item};
use crate::model::config::DEFAULT_PATH;
use crate::model::types::NetworkName;

/// Where an administrator's units are.
const DIRECTORY: &str = "/etc/systemd/system";
/// The program's path in the templates.
const PROGRAM: &str = "/usr/local/bin/flatnet";
/// The gateway's directory in its template.
const GATEWAY_DIRECTORY: &str = "/var/lib/flatnet-gateway";
const GATEWAY: &str = include_str!("../../templates/flatnet-gateway.service");
const RESOLVER: &str = include_str!("../../templates/flatnet-dns.service");
/// The socket of the service for rootless Podman.
pub(crate) const SERVE_SOCKET: &str = "flatnet-serve.socket";
const SERVE: [(&str, &str); 2] = [
    (SERVE_SOCKET, include_str!("../../templates/flatnet-serve.socket")),
    ("flatnet-serve@.service", include_str!("../../templates/flatnet-serve@.service")),
];
const WATCH: (&str, &str, &str) =
    ("flatnet-gateway-watch", "service", include_str!("../../templates/flatnet-gateway-watch.service"));
const TEMPLATES: [(&str, &str, &str); 7] = [
    ("flatnet", "service", include_str!("../../templates/flatnet.service")),
    ("flatnet-repair", "service", include_str!("../../templates/flatnet-repair.service")),
    ("flatnet-gc", "service", include_str!("../../templates/flatnet-gc.service")),
    ("flatnet-gc", "timer", include_str!("../../templates/flatnet-gc.timer")),
    ("flatnet-metrics", "service", include_str!("../../templates/flatnet-metrics.service")),
    ("flatnet-metrics", "timer", include_str!("../../templates/flatnet-metrics.timer")),
    WATCH,
];

/// The units of the network; `program` and `config` are their final paths.
pub(crate) fn units(network: &NetworkName, program: &Path, config: &Path) -> impl Iterator<Item = Item> {
    TEMPLATES
        .into_iter()
        .map(move |template| unit(template, network, program, config))
        .chain([resolver(program)])
        .chain(serve(program))
}

/// The units of the service for rootless Podman, which is one for all networks of this host.
pub(crate) fn serve(program: &Path) -> [Item; 2] {
    SERVE.map(|(name, template)| {
        let text = template.replace(&format!("{PROGRAM} serve"), &format!("{} serve", word(program)));
        Item { path: Path::new(DIRECTORY).join(name), content: Content::File(text) }
    })
}

/// The unit of the resolver, which is one for all networks of this host.
fn resolver(program: &Path) -> Item {
    let text = RESOLVER.replace(&format!("{PROGRAM} dns"), &format!("{} dns", word(program)));
    Item { path: Path::new(DIRECTORY).join("flatnet-dns.service"), content: Content::File(text) }
}

/// The unit of `gateway watch`.
pub(crate) fn watch(network: &NetworkName, program: &Path, config: &Path) -> Item {
    unit(WATCH, network, program, config)
}

/// The unit of the gateway on this host, with the gateway's `directory`.
pub(crate) fn gateway(network: &NetworkName, directory: &Path) -> Item {
    let text = GATEWAY
        .replace(GATEWAY_DIRECTORY, &word(directory))
        .replace(" flatnet.service", &format!(" {}.service", name("flatnet", network)));
    let path = Path::new(DIRECTORY).join(format!("{}.service", name("flatnet-gateway", network)));
    Item { path, content: Content::File(text) }
}

fn unit(
    (stem, kind, template): (&str, &str, &str),
    network: &NetworkName,
    program: &Path,
    config: &Path,
) -> Item {
    let text = template
        .replace(
            &format!("{PROGRAM} --config {DEFAULT_PATH}"),
            &format!("{} --config {}", word(program), word(config)),
        )
        .replace("After=flatnet.service", &format!("After={}.service", name("flatnet", network)))
        .replace("Also=flatnet-repair.service", &format!("Also={}.service", name("flatnet-repair", network)));
    let path = Path::new(DIRECTORY).join(format!("{}.{kind}", name(stem, network)));
    Item { path, content: Content::File(text) }
}

/// `stem` for the network `flatnet`, else `stem@NETWORK`.
pub(crate) fn name(stem: &str, network: &NetworkName) -> String {
    if network.as_str() == "flatnet" { stem.to_owned() } else { format!("{stem}@{network}") }
}

/// A path as one word of a unit's command line (systemd.service(5), "Command lines").
fn word(path: &Path) -> String {
    let text = path.to_string_lossy();
    let is_plain = |char: char| char.is_ascii_alphanumeric() || "/._-".contains(char);
    if text.chars().all(is_plain) {
        return text.into_owned();
    }
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%").replace('$', "$$");
    format!("\"{}\"", escaped.replace('\n', "\\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(name: &str) -> NetworkName {
        NetworkName::parse(name).unwrap()
    }

    fn texts(units: &[Item]) -> Vec<(String, &str)> {
        let text = |item: &Item| item.path.file_name().unwrap().to_string_lossy().into_owned();
        let content = |item| match item {
            &Item { content: Content::File(ref text), .. } => text.as_str(),
            _ => unreachable!("a unit is a file"),
        };
        units.iter().map(|item| (text(item), content(item))).collect()
    }

    #[test]
    fn default_output_matches_templates() {
        let units: Vec<Item> =
            units(&network("flatnet"), Path::new(PROGRAM), Path::new(DEFAULT_PATH)).collect();
        let units = texts(&units);
        let names: Vec<&str> = units.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            [
                "flatnet.service",
                "flatnet-repair.service",
                "flatnet-gc.service",
                "flatnet-gc.timer",
                "flatnet-metrics.service",
                "flatnet-metrics.timer",
                "flatnet-gateway-watch.service",
                "flatnet-dns.service",
                "flatnet-serve.socket",
                "flatnet-serve@.service"
            ]
        );
        let templates = TEMPLATES.map(|(_, _, template)| template);
        assert!(
            units
                .iter()
                .zip(templates.into_iter().chain([RESOLVER]).chain(SERVE.map(|(_, template)| template)))
                .all(|((_, text), template)| *text == template)
        );
    }

    #[test]
    fn other_network_gets_own_units_with_quoted_paths() {
        let config = Path::new("/etc/a \"b\" $HOME %i.yaml");
        let units: Vec<Item> = units(&network("lab"), Path::new("/usr/bin/flatnet"), config).collect();
        let units = texts(&units);
        assert_eq!(units[0].0, "flatnet@lab.service");
        let line = r#"ExecStart=/usr/bin/flatnet --config "/etc/a \"b\" $$HOME %%i.yaml" --command-seconds 60 repair"#;
        assert!(units[0].1.contains(line), "{}", units[0].1);
        assert!(
            units[0].1.ends_with("\nAlso=flatnet-repair@lab.service flatnet-dns.service\n"),
            "{}",
            units[0].1
        );
        let (others, of_host) = units[1..].split_at(units.len() - 4);
        let dns = &of_host[0];
        assert!(of_host[2].1.contains("ExecStart=/usr/bin/flatnet serve\n"), "{}", of_host[2].1);
        assert!(
            dns.0 == "flatnet-dns.service" && dns.1.contains("ExecStart=/usr/bin/flatnet dns\n"),
            "{}",
            dns.1
        );
        for (name, text) in others.iter().filter(|(name, _)| name.contains("service")) {
            assert!(text.contains("After=flatnet@lab.service"), "{name}: {text}");
        }
        assert!(!units.iter().any(|(_, text)| text.contains(DEFAULT_PATH)));
    }

    #[test]
    fn gateway_unit_uses_its_directory() {
        let unit = |network_name, directory| gateway(&network(network_name), Path::new(directory));
        assert_eq!(texts(&[unit("flatnet", GATEWAY_DIRECTORY)])[0].1, GATEWAY);
        let lab = [unit("lab", "/srv/my gateway")];
        let (path, text) = &texts(&lab)[0];
        assert_eq!(path, "flatnet-gateway@lab.service");
        assert!(
            text.contains("-p \"/srv/my gateway\" -c") && text.contains(" flatnet@lab.service\n"),
            "{text}"
        );
        assert!(!text.contains(GATEWAY_DIRECTORY), "{text}");
    }
}
