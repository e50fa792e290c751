//! Static mode: renders the routes table as `upstream` and `server` blocks for an nginx without Lua. A reload puts them in
//! force.

use std::collections::BTreeMap;
use std::path::Path;

use minijinja::context;
use serde::Serialize;

use super::install::render as render_template;
use crate::error::{Error, Kind, Result, io};
use crate::file;
use crate::kernel::execute::Executor;
use crate::model::command::Command;
use crate::model::config::{Config, Tls};
use crate::model::types::HostPattern;
use crate::routes::podman::ContainerState;
use crate::routes::table::{Route, Scheme, Table};

const TEMPLATE: &str = include_str!("../../templates/gateway-static.conf.j2");

/// A `location` block.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Location {
    path: String,
    strip: bool,
    upstream: String,
    scheme: &'static str,
    stream: bool,
}

/// A `server` block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Server {
    hosts: Vec<String>,
    locations: Vec<Location>,
    has_root: bool,
}

/// Renders the configuration. With `has_default`, requests for unknown hosts get a 404; without, they go to the first server of
/// the same port.
pub fn render(config: &Config, table: &Table, has_default: bool) -> Result<String> {
    let gateway = &config.gateway;
    let upstreams: Vec<_> = table.routes.iter().map(upstream).collect();
    let tls = gateway.tls.as_ref().map(|Tls { certificate, key, listen, redirect }| {
        context! { certificate, key, listen, redirect }
    });
    let suffix = gateway.tls.as_ref().filter(|tls| tls.listen != 443);
    let values = context! {
        version => env!("CARGO_PKG_VERSION"),
        host => table.host.name,
        listen => gateway.listen,
        tls,
        tls_port_suffix => suffix.map_or(String::new(), |tls| format!(":{}", tls.listen)),
        upstreams,
        servers => servers(&table.routes, has_default),
    };
    render_template("gateway-static.conf", TEMPLATE, &values)
}

fn upstream(route: &Route) -> minijinja::Value {
    let end = |one: &crate::routes::table::Endpoint| {
        context! { address => one.address, port => one.port, down => one.state == ContainerState::Stopped }
    };
    context! { name => route.name, servers => route.endpoints.iter().map(end).collect::<Vec<_>>() }
}

/// One server per set of hosts with equal locations. Of two routes for the same host and path the first wins, as in the
/// gateway.
fn servers(all: &[Route], has_default: bool) -> Vec<Server> {
    let mut by_host: BTreeMap<Option<&HostPattern>, BTreeMap<String, Location>> = BTreeMap::new();
    if has_default {
        by_host.entry(None).or_default();
    }
    for route in all {
        let keys: Vec<Option<&HostPattern>> = match route.hosts.as_slice() {
            [] if has_default => vec![None],
            hosts => hosts.iter().map(Some).collect(),
        };
        for host in keys {
            let location = location(route);
            by_host.entry(host).or_default().entry(location.path.clone()).or_insert(location);
        }
    }
    let mut servers: Vec<Server> = Vec::new();
    for (host, locations) in by_host {
        let locations: Vec<Location> = locations.into_values().collect();
        let same =
            servers.iter_mut().find(|server| !server.hosts.is_empty() && server.locations == locations);
        match (host, same) {
            (Some(host), Some(server)) => server.hosts.push(host.to_string()),
            (host, _) => {
                let has_root = locations.iter().any(|location| location.path == "/");
                let hosts = host.iter().map(ToString::to_string).collect();
                servers.push(Server { hosts, locations, has_root });
            }
        }
    }
    servers
}

fn location(route: &Route) -> Location {
    let scheme = match route.scheme {
        Scheme::Http => "http",
        Scheme::Https => "https",
        Scheme::Grpc => "grpc",
        Scheme::Grpcs => "grpcs",
    };
    let upstream = route.name.to_string();
    Location { path: route.path.to_string(), strip: route.strip, upstream, scheme, stream: route.stream }
}

/// How nginx is run.
#[derive(Clone, Debug, Default)]
pub struct Nginx {
    /// Its main configuration, unless it is the compiled-in one.
    pub conf: Option<String>,
}

impl Nginx {
    fn command(&self, arguments: &[&str]) -> Command {
        let conf = self.conf.iter().flat_map(|conf| ["-c", conf.as_str()]);
        Command::new(["nginx"].into_iter().chain(arguments.iter().copied()).chain(conf))
    }

    /// Writes `text` to `output`, and restores the previous content if nginx rejects it. Returns whether the file changed.
    pub fn put(&self, output: &Path, text: &str, executor: &mut dyn Executor) -> Result<bool> {
        let before = match std::fs::read(output) {
            Ok(before) => Some(before),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => None,
            Err(cause) => return Err(io("read", output)(cause)),
        };
        if before.as_deref() == Some(text.as_bytes()) {
            return Ok(false);
        }
        replace(output, text.as_bytes())?;
        let check = self.command(&["-t", "-q"]);
        let Err(error) = executor.run(&check, &[]).and_then(|output| output.checked(&check)) else {
            return Ok(true);
        };
        match before {
            Some(before) => replace(output, &before)?,
            None => std::fs::remove_file(output).map_err(io("remove", output))?,
        }
        let what = format!("nginx rejects the new {}", output.display());
        Err(Error::new(Kind::NginxRefuses, what)
            .source(error)
            .outcome(format!("{} is unchanged", output.display())))
    }

    /// Makes a running nginx reload its configuration.
    pub fn reload(&self, executor: &mut dyn Executor) -> Result<()> {
        let reload = self.command(&["-s", "reload"]);
        executor.run(&reload, &[])?.checked(&reload).map(drop)
    }
}

fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    file::replace(path, bytes).map_err(io("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(routes: &str) -> Table {
        let text = format!(
            r#"{{"version":1,"generation":1,"written":"","host":{{"name":"dev-pc","network":"flatnet","subnet":"10.87.1.0/24"}},
            "routes":{routes},"unrouted":[],"end":1}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    fn route(name: &str, hosts: &str, path: &str, state: &str) -> String {
        format!(
            r#"{{"name":"{name}","hosts":[{hosts}],"path":"{path}","strip":{strip},"scheme":"http","stream":false,"hold":10,
            "health":null,"endpoints":[{{"container":"{name}","id":"0123456789ab","address":"10.87.1.2","port":3000,
            "state":"{state}","since":""}}]}}"#,
            strip = path != "/",
        )
    }

    fn text(routes: &[String], has_default: bool) -> String {
        render(&Config::default(), &table(&format!("[{}]", routes.join(","))), has_default).unwrap()
    }

    #[test]
    fn static_config_has_upstreams_and_servers() {
        let text =
            text(&[route("forgejo", "\"forgejo.flatnet.internal\",\"forgejo.local\"", "/", "running")], true);
        for part in [
            "upstream flatnet_forgejo {\n    server 10.87.1.2:3000;\n",
            "    listen 80;\n    server_name forgejo.flatnet.internal forgejo.local;\n",
            "        proxy_pass http://flatnet_forgejo;\n",
            "    listen 80 default_server;\n    server_name _;\n",
        ] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
    }

    #[test]
    fn hosts_get_own_servers_and_first_route_wins() {
        let routes = [
            route("a", "\"x.local\",\"y.local\"", "/", "running"),
            route("wiki", "\"x.local\"", "/wiki", "stopped"),
            route("late", "\"y.local\"", "/", "running"),
            route("path", "", "/path", "running"),
        ];
        let text = text(&routes, true);
        assert!(text.contains("server 10.87.1.2:3000 down;"), "{text}");
        assert!(text.contains("server_name x.local;") && text.contains("server_name y.local;"), "{text}");
        assert!(
            text.contains("location = /wiki {") && text.contains("proxy_pass http://flatnet_wiki/;"),
            "{text}"
        );
        assert!(!text.contains("http://flatnet_late"), "{text}");
        let default = text.find("default_server").unwrap();
        let path = text.find("location = /path").unwrap();
        assert!(default < path && path < text.find("server_name x.local").unwrap(), "{text}");
    }

    #[test]
    fn default_server_can_be_left_out() {
        let text = text(&[route("a", "\"x.local\"", "/", "running"), route("p", "", "/p", "running")], false);
        assert!(!text.contains("default_server") && !text.contains("location = /p"), "{text}");
    }
}
