//! The conflist agrees with the configuration.

use std::path::Path;

use serde_json::Value;

use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::{Result, io};
use crate::model::types::NetworkName;
use crate::setup::podman::Podman;
use crate::setup::{conflist, conflist_path};

pub(in crate::doctor) const CHECK: Check = Check {
    id: "conflist",
    group: Group::Podman,
    looks_at: "/etc/cni/net.d/NETWORK.conflist, by which Podman with CNI finds the network and its configuration",
    shows: "`podman run --network flatnet` fails: \"network not found\"; or `--ip` and `-p` are refused or ignored",
    needs: Needs::RootAndConfig,
    quick: false,
    look,
};

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    let network = context.engine.config.network.clone();
    let path = conflist_path(&network);
    let shown = path.display();
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
            let is_wanted = !matches!(context.podman(), Podman::Netavark { .. });
            let missing = format!("{shown} is missing");
            return Ok(vec![if is_wanted {
                Finding::failure(missing)
                    .commands([context.flatnet("init")])
                    .fixed_by_file(conflist(&network, &context.config_path))
            } else {
                Finding::not_applicable(format!("{missing}, but Podman uses netavark"))
            }]);
        }
        Err(cause) => return Err(io("read", &path)(cause)),
    };
    let wrong = judge(&text, &network, &context.config_path);
    if wrong.is_empty() {
        return Ok(vec![Finding::good(format!("{shown} agrees with the configuration"))]);
    }
    Ok(vec![
        Finding::failure(format!("{shown}: {}", wrong.join("; ")))
            .commands([format!("rm {shown}"), context.flatnet("init")])
            .fixed_by_file(conflist(&network, &context.config_path)),
    ])
}

/// The errors in a conflist. Additional plugins and fields are allowed.
fn judge(text: &str, network: &NetworkName, config: &Path) -> Vec<String> {
    let conflist: Value = match serde_json::from_str(text) {
        Ok(conflist) => conflist,
        Err(error) => return vec![format!("not valid JSON ({error})")],
    };
    let mut wrong = Vec::new();
    let mut is = |pointer: &str, wanted: Value| {
        let found = conflist.pointer(pointer).unwrap_or(&Value::Null);
        if *found != wanted {
            wrong.push(format!("{} is {found}, but must be {wanted}", &pointer[1..]));
        }
    };
    is("/name", network.as_str().into());
    is("/plugins/0/type", "flatnet".into());
    is("/plugins/0/config", config.to_string_lossy().into());
    for capability in ["aliases", "ips", "portMappings"] {
        is(&format!("/plugins/0/capabilities/{capability}"), true.into());
    }
    let version = conflist["cniVersion"].as_str().unwrap_or("none");
    if !["0.4.0", "1.0.0"].contains(&version) {
        wrong.push(format!("cniVersion is {version}, but Podman 4 supports at most 1.0.0"));
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::templates;

    #[test]
    fn conflist_of_init_is_accepted_and_differences_are_named() {
        let (network, config) = (NetworkName::parse("lab").unwrap(), Path::new("/etc/lab.yaml"));
        let text = templates::conflist(&network, config);
        assert_eq!(judge(&text, &network, config), Vec::<String>::new());
        let more = text.replacen("\"plugins\"", "\"disableCheck\": true, \"plugins\"", 1);
        assert_eq!(judge(&more, &network, config), Vec::<String>::new(), "fields of other people's");
        for (from, to, word) in [
            (
                "/etc/lab.yaml\",\n      \"cap",
                "/etc/old.yaml\",\n      \"cap",
                "plugins/0/config is \"/etc/old.yaml\"",
            ),
            ("\"lab\"", "\"x\"", "name is \"x\""),
            ("\"1.0.0\"", "\"1.1.0\"", "cniVersion is 1.1.0"),
            ("\"ips\": true", "\"ips\": false", "capabilities/ips is false"),
            ("{", "", "not valid JSON"),
        ] {
            let wrong = judge(&text.replacen(from, to, 1), &network, config);
            assert!(wrong.len() == 1 && wrong[0].contains(word), "{word}: {wrong:?}");
        }
    }
}
