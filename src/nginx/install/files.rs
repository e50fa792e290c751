//! Renders the gateway's files from `templates/gateway/` for the configuration and platform.

use std::path::PathBuf;

use include_dir::{Dir, include_dir};
use minijinja::{Environment, UndefinedBehavior, context};

use super::{Platform, USER};
use crate::error::{Error, Kind, Result};
use crate::model::config::{Config, Tls};
use crate::model::types::HostName;

static TEMPLATES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/templates/gateway");
/// The suffix of files that are rendered.
const TEMPLATE: &str = ".j2";

/// One file of the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its path below the gateway's directory.
    pub path: PathBuf,
    /// Its content.
    pub text: String,
}

/// What files depend on besides the configuration.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The platform.
    pub platform: Platform,
    /// The host name of the gateway.
    pub name: &'a HostName,
    /// Whether nginx supports the directive `http2`.
    pub has_http2: bool,
}

/// Renders all files of the gateway.
pub fn files(config: &Config, target: Target<'_>) -> Result<Vec<File>> {
    let mut files = Vec::new();
    collect(&TEMPLATES, &mut files)?;
    for file in &mut files {
        if let Some(path) = file.path.to_str().and_then(|path| path.strip_suffix(TEMPLATE)) {
            let path = PathBuf::from(path);
            file.text = render(&path.to_string_lossy(), &file.text, &values(config, target))?;
            file.path = path;
        }
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(files)
}

fn collect(dir: &Dir<'_>, into: &mut Vec<File>) -> Result<()> {
    for file in dir.files() {
        let path = file.path().to_owned();
        let text = file.contents_utf8().map(str::to_owned);
        let text =
            text.ok_or_else(|| Error::new(Kind::Internal, format!("{} is not valid UTF-8", path.display())))?;
        into.push(File { path, text });
    }
    dir.dirs().try_for_each(|dir| collect(dir, into))
}

/// The values for templates. Each has a type that cannot contain syntax of nginx or Lua.
fn values(config: &Config, target: Target<'_>) -> minijinja::Value {
    let Target { platform, name, has_http2 } = target;
    let gateway = &config.gateway;
    let tls = gateway.tls.as_ref().map(|Tls { certificate, key, listen, redirect }| {
        context! { certificate, key, redirect, port => listen, listen => [listen.to_string()] }
    });
    context! {
        version => env!("CARGO_PKG_VERSION"),
        platform,
        user => USER,
        has_http2,
        name,
        domains => gateway.domains,
        range => [config.range],
        allow => gateway.allow,
        listen => [gateway.listen.to_string()],
        port => gateway.listen,
        tls,
    }
}

/// Renders `template`; errors name `path`.
pub(crate) fn render(path: &str, template: &str, values: &minijinja::Value) -> Result<String> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_keep_trailing_newline(true);
    let rendered = environment.render_named_str(path, template, values);
    rendered.map_err(|cause| {
        Error::new(Kind::Internal, format!("the template of {path} cannot be rendered")).source(cause)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    fn all(config: &Config, platform: Platform) -> Vec<File> {
        let name = HostName::parse("dev-pc").unwrap();
        files(config, Target { platform, name: &name, has_http2: false }).unwrap()
    }

    fn text(files: &[File], path: &str) -> String {
        files.iter().find(|file| file.path == Path::new(path)).unwrap().text.clone()
    }

    /// The compiled-in templates are those in the source folder: Cargo does not notice new files.
    #[test]
    fn every_template_is_embedded() {
        fn walk(folder: &Path, into: &mut BTreeSet<PathBuf>) {
            for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if entry.is_dir() {
                    walk(&entry, into);
                } else {
                    into.insert(entry);
                }
            }
        }
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/gateway");
        let mut wanted = BTreeSet::new();
        walk(&source, &mut wanted);
        let mut embedded = Vec::new();
        collect(&TEMPLATES, &mut embedded).unwrap();
        let embedded: BTreeSet<PathBuf> = embedded.iter().map(|file| source.join(&file.path)).collect();
        assert_eq!(embedded, wanted, "`touch src/nginx/install/files.rs` and build again");
    }

    #[test]
    fn platforms_differ_in_nginx_conf_only() {
        let config = Config::default();
        let (linux, windows) = (all(&config, Platform::Linux), all(&config, Platform::Windows));
        let differing: Vec<&PathBuf> = linux
            .iter()
            .zip(&windows)
            .filter(|(one, other)| one != other)
            .map(|(one, _)| &one.path)
            .collect();
        assert_eq!(differing, [Path::new("conf/nginx.conf")]);
        assert!(text(&linux, "conf/nginx.conf").contains("user www-data;"));
        assert!(text(&windows, "conf/nginx.conf").contains("worker_processes 1;"));
        assert!(!linux.iter().any(|file| file.path.to_string_lossy().ends_with(TEMPLATE)));
        assert!(!linux.iter().any(|file| file.text.contains("{{") && file.path.starts_with("conf")));
    }

    #[test]
    fn nginx_files_contain_the_configuration() {
        let yaml = "range: 10.80.0.0/12\nsubnet: 10.87.1.0/24\ngateway:\n  domains: [corp.example]\n  listen: 8080\n  \
                    allow: [10.1.0.0/16]\n  tls: {certificate: tls/a.pem, key: C:/tls/a.key, listen: 8443, redirect: true}\n";
        let config = crate::model::config::parse(yaml, Path::new("f")).unwrap();
        let files = all(&config, Platform::Windows);
        let nginx = text(&files, "conf/nginx.conf");
        for part in ["\"corp.example\"", "\"10.80.0.0/12\"", "10.1.0.0/16 1;", "\"dev-pc\""] {
            assert!(nginx.contains(part), "{part}: {nginx}");
        }
        let servers = text(&files, "conf/conf.d/servers.conf");
        for part in ["listen 8080 ", "listen 8443 ssl", "\"C:/tls/a.key\"", "https://$host:8443$request_uri"]
        {
            assert!(servers.contains(part), "{part}: {servers}");
        }
        assert!(servers.contains("ssl http2 default_server;") && !servers.contains("http2 on;"), "{servers}");
        let name = HostName::parse("dev-pc").unwrap();
        let newer = super::files(&config, Target { platform: Platform::Linux, name: &name, has_http2: true });
        let servers = text(&newer.unwrap(), "conf/conf.d/servers.conf");
        assert!(servers.contains("ssl default_server;\n    http2 on;\n"), "{servers}");
    }
}
