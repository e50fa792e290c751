//! The systemd units that `init` writes, from `templates/`: up and repair at boot, gc every hour, the gateway's routes.

use std::path::Path;

use super::install::{Content, Item};
use crate::config::DEFAULT_PATH;
use crate::types::NetworkName;

/// Where an administrator's units lie.
const DIRECTORY: &str = "/etc/systemd/system";
/// Where the templates have the program.
const PROGRAM: &str = "/usr/local/bin/flatnet";
const TEMPLATES: [(&str, &str, &str); 4] = [
    ("flatnet", "service", include_str!("../../templates/flatnet.service")),
    ("flatnet-gc", "service", include_str!("../../templates/flatnet-gc.service")),
    ("flatnet-gc", "timer", include_str!("../../templates/flatnet-gc.timer")),
    ("flatnet-gateway-watch", "service", include_str!("../../templates/flatnet-gateway-watch.service")),
];

/// Whether systemd runs this host (`sd_booted(3)`).
pub(crate) fn is_booted() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

/// The units of the network; `program` and `config` are where they will be found.
pub(crate) fn units(network: &NetworkName, program: &Path, config: &Path) -> [Item; 4] {
    let unit = |(stem, kind, template): (&str, &str, &str)| {
        let text = template
            .replace(
                &format!("{PROGRAM} --config {DEFAULT_PATH}"),
                &format!("{} --config {}", word(program), word(config)),
            )
            .replace("After=flatnet.service", &format!("After={}.service", name("flatnet", network)));
        let path = Path::new(DIRECTORY).join(format!("{}.{kind}", name(stem, network)));
        Item { path, content: Content::File(text) }
    };
    TEMPLATES.map(unit)
}

/// `flatnet`; of another network than the first `flatnet@NETWORK`.
pub(crate) fn name(stem: &str, network: &NetworkName) -> String {
    if network.as_str() == "flatnet" { stem.to_owned() } else { format!("{stem}@{network}") }
}

/// A path as one word of a command line in a unit (systemd.service(5), "Command lines").
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
    fn the_templates_are_the_default() {
        let units = units(&network("flatnet"), Path::new(PROGRAM), Path::new(DEFAULT_PATH));
        let units = texts(&units);
        let names: Vec<&str> = units.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            ["flatnet.service", "flatnet-gc.service", "flatnet-gc.timer", "flatnet-gateway-watch.service"]
        );
        assert!(units.iter().zip(TEMPLATES).all(|((_, text), (_, _, template))| *text == template));
    }

    #[test]
    fn another_network_has_units_of_its_own_and_no_path_breaks_out_of_its_word() {
        let config = Path::new("/etc/a \"b\" $HOME %i.yaml");
        let units = units(&network("lab"), Path::new("/usr/bin/flatnet"), config);
        let units = texts(&units);
        assert_eq!(units[0].0, "flatnet@lab.service");
        let line = r#"ExecStart=/usr/bin/flatnet --config "/etc/a \"b\" $$HOME %%i.yaml" repair"#;
        assert!(units[0].1.contains(line), "{}", units[0].1);
        assert!(units[1].1.contains("After=flatnet@lab.service"), "{}", units[1].1);
        assert!(!units.iter().any(|(_, text)| text.contains(DEFAULT_PATH)));
    }
}
