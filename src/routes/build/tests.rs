use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::podman::ContainerState;
use super::super::port_choice::{Answer, KnownPorts};
use super::*;
use crate::model::types::{ContainerId, ContainerName};
use crate::routes::labels::KNOWN;

/// Containers, the answers of their ports, and the previous table.
struct World {
    config: Config,
    containers: Vec<Container>,
    of_users: Vec<Container>,
    answers: Answers,
    last_addresses: BTreeMap<String, Ipv4Addr>,
    before: Option<Table>,
    remembered: KnownPorts,
}

impl World {
    fn of(containers: impl IntoIterator<Item = Container>) -> Self {
        let containers: Vec<Container> = containers.into_iter().collect();
        let mut world = Self {
            config: Config::default(),
            containers,
            of_users: Vec::new(),
            answers: Answers::new(),
            last_addresses: BTreeMap::new(),
            before: None,
            remembered: KnownPorts::default(),
        };
        world.http(&[80, 3000]);
        world
    }

    /// These ports of all containers answer HTTP, no other does.
    fn http(&mut self, ports: &[u16]) {
        let network = &self.config.network;
        let all = self.containers.iter().chain(&self.of_users).filter_map(|one| one.address(network));
        let answers = all.flat_map(|address| ports.iter().map(move |&port| SocketAddrV4::new(address, port)));
        self.answers = answers.map(|at| (at, Answer::Http)).collect();
    }

    fn sources(&self) -> Sources<'_> {
        static HOST: std::sync::LazyLock<HostName> =
            std::sync::LazyLock::new(|| HostName::parse("dev-pc").unwrap());
        Sources {
            config: &self.config,
            host: &HOST,
            containers: &self.containers,
            of_users: &self.of_users,
            last_addresses: &self.last_addresses,
            before: self.before.as_ref(),
            remembered: &self.remembered,
        }
    }

    /// Makes the current table the previous one.
    fn publish(&mut self) {
        let table = self.build().table;
        self.remembered.learn(&table, &self.answers);
        self.before = Some(table);
    }

    fn build(&self) -> Draft {
        let built = build(&self.sources(), &self.answers);
        built.table.validate(&self.config.range).unwrap();
        built
    }

    /// `forgejo -> forgejo.flatnet.internal,forgejo.local / 10.87.1.2:3000 running`, and `db: why`.
    fn lines(&self) -> Vec<String> {
        let Table { routes, unrouted, .. } = self.build().table;
        let route = |route: &Route| {
            let hosts: Vec<&str> = route.hosts.iter().map(HostPattern::as_str).collect();
            let end = |one: &Endpoint| format!("{}:{} {}", one.address, one.port, one.state.word());
            let ends: Vec<String> = route.endpoints.iter().map(end).collect();
            format!("{} -> {} {} {}", route.name, hosts.join(","), route.path, ends.join(" "))
        };
        let none =
            |one: &Unrouted| format!("{}{}: {}", one.container, if one.warning { "!" } else { "" }, one.why);
        routes.iter().map(route).chain(unrouted.iter().map(none)).collect()
    }
}

/// A running container at 10.87.1.NUMBER that exposes `ports`.
fn container(name: &str, number: u8, ports: &[u16]) -> Container {
    Container {
        id: ContainerId::parse(&format!("{number:02x}").repeat(32)).unwrap(),
        name: ContainerName::parse(name).unwrap(),
        state: ContainerState::Running,
        since: "2026-11-23T12:00:00Z".to_owned(),
        created: jiff::Timestamp::from_second(1_795_439_000 + i64::from(number)).unwrap(),
        has_run: true,
        labels: BTreeMap::new(),
        exposed: ports.iter().copied().collect(),
        networks: BTreeMap::from([("flatnet".to_owned(), Some(Ipv4Addr::new(10, 87, 1, number)))]),
        shares: None,
        is_infra: false,
    }
}

fn labelled(container: Container, labels: &[(&str, &str)]) -> Container {
    let labels = labels.iter().map(|(key, value)| (format!("flatnet.{key}"), (*value).to_owned())).collect();
    Container { labels, ..container }
}

fn stopped(container: &Container) -> Container {
    let networks = container.networks.keys().map(|name| (name.clone(), None)).collect();
    Container { state: ContainerState::Stopped, networks, ..container.clone() }
}

#[test]
fn one_port_that_answers_http_makes_a_route() {
    let world = World::of([
        container("forgejo", 2, &[22, 3000]),
        container("db", 3, &[5432]),
        container("batch", 4, &[]),
        container("both", 5, &[80, 3000]),
    ]);
    assert_eq!(
        world.lines(),
        [
            "forgejo -> forgejo.flatnet.internal,forgejo.local / 10.87.1.2:3000 running",
            "db: its port 5432 does not answer HTTP",
            "batch: it exposes no TCP port and has no label flatnet.port",
            "both!: its ports 80, 3000 all answer HTTP: choose one with the label flatnet.port",
        ]
    );
}

#[test]
fn labels_override_default_route() {
    let world = World::of([
        labelled(container("a", 2, &[80]), &[("host", "git, *.pages.example.org"), ("port", "9000")]),
        labelled(container("b", 3, &[80]), &[("path", "/wiki/"), ("strip", "true"), ("hold", "0")]),
        labelled(container("c", 4, &[80]), &[("path", "/x"), ("host", "c.example.org")]),
        labelled(container("d", 5, &[80]), &[("enable", "false")]),
        labelled(container("e", 6, &[80]), &[("port", "http")]),
    ]);
    assert_eq!(
        world.lines(),
        [
            "a -> git.flatnet.internal,git.local,*.pages.example.org / 10.87.1.2:9000 running",
            "b ->  /wiki 10.87.1.3:80 running",
            "c -> c.example.org /x 10.87.1.4:80 running",
            "d: it is disabled by its label flatnet.enable",
            "e!: label flatnet.port of container e: 'http' is not a number from 1 to 65535",
        ]
    );
    let Table { routes, .. } = world.build().table;
    assert_eq!((routes[1].strip, routes[1].hold, routes[0].hold), (true, 0, 10));
}

#[test]
fn gateway_names_and_paths_are_reserved() {
    let own = "is reserved for the gateway: set another flatnet.host or flatnet.path";
    let refused = |one: Container, what: &str| {
        let name = one.name.to_string();
        assert_eq!(World::of([one]).lines(), [format!("{name}!: {what} {own}")]);
    };
    let named = |name: &str| container(name, 2, &[80]);
    let by = |labels: &[(&str, &str)]| labelled(named("web"), labels);
    refused(named("portal"), "portal.flatnet.internal");
    refused(named("Portal"), "portal.flatnet.internal");
    refused(named("dev-pc"), "dev-pc.flatnet.internal");
    refused(by(&[("host", "shop,portal")]), "portal.flatnet.internal");
    refused(by(&[("host", "flatnet.internal")]), "flatnet.internal");
    refused(by(&[("host", "DEV-PC.local")]), "dev-pc.local");
    refused(by(&[("host", "portal.local"), ("path", "/_flatnet")]), "portal.local/_flatnet");
    refused(by(&[("path", "/_flatnet/status")]), "/_flatnet/status");
    for free in ["portal.example.org", "www", "gateway", "default", "xlocal.example", "*.flatnet.internal"] {
        assert_eq!(World::of([by(&[("host", free)])]).build().table.routes.len(), 1, "{free}");
    }
    for path in ["/_flatnets", "/portal"] {
        assert_eq!(World::of([by(&[("path", path)])]).build().table.routes.len(), 1, "{path}");
    }
}

#[test]
fn expose_setting_limits_routes() {
    let mut world =
        World::of([container("a", 2, &[80]), labelled(container("b", 3, &[80]), &[("enable", "true")])]);
    world.config.gateway.expose = Expose::Labelled;
    assert_eq!(
        world.lines(),
        [
            "b -> b.flatnet.internal,b.local / 10.87.1.3:80 running",
            "a: gateway.expose is labelled, but it has no Flatnet label",
        ]
    );
    world.config.gateway.expose = Expose::None;
    assert!(world.build().table.routes.is_empty());
    assert!(to_probe(&world.sources()).is_empty(), "no port is probed without need");
}

#[test]
fn a_stopped_container_keeps_its_route_and_address() {
    let web = container("web", 2, &[80]);
    let mut world = World::of([web.clone()]);
    world.publish();
    world.containers = vec![stopped(&web), stopped(&container("job", 3, &[80]))];
    world.last_addresses.insert("03".repeat(32), Ipv4Addr::new(10, 87, 1, 3));
    assert_eq!(
        world.lines(),
        [
            "web -> web.flatnet.internal,web.local / 10.87.1.2:80 stopped",
            "job: it is stopped and has not answered HTTP before",
        ]
    );
    // Started, but not listening yet.
    world.containers = vec![web];
    world.answers.clear();
    assert_eq!(world.lines(), ["web -> web.flatnet.internal,web.local / 10.87.1.2:80 running"]);
    assert!(to_probe(&world.sources()).is_empty(), "it answered once");
}

#[test]
fn recreated_container_keeps_route_until_it_answers() {
    let mut world = World::of([container("web", 2, &[80])]);
    world.publish();
    world.containers.clear();
    assert!(world.lines().is_empty(), "a removed container has no route");
    world.publish();
    world.containers = vec![container("web", 9, &[80])];
    world.answers.clear();
    let route = ["web -> web.flatnet.internal,web.local / 10.87.1.9:80 running"];
    let at = SocketAddrV4::new(Ipv4Addr::new(10, 87, 1, 9), 80);
    for _ in 0..2 {
        assert_eq!(world.lines(), route);
        assert_eq!(to_probe(&world.sources()).into_keys().collect::<Vec<_>>(), [at]);
        world.publish();
    }
    world.answers.insert(at, Answer::Other);
    assert_eq!(world.lines(), ["web: its port 80 does not answer HTTP"]);
    world.answers.insert(at, Answer::Http);
    world.publish();
    assert!(to_probe(&world.sources()).is_empty(), "it has answered");
    world.answers.clear();
    assert_eq!(world.lines(), route);
    // Created again as something else.
    world.containers = vec![container("web", 9, &[5432])];
    assert_eq!(world.lines(), ["web: its port 5432 does not answer HTTP"]);
}

#[test]
fn never_started_container_has_no_address() {
    let fresh = labelled(stopped(&container("fresh", 2, &[80])), &[("port", "80")]);
    assert_eq!(World::of([fresh]).lines(), ["fresh: it has no address yet"]);
}

#[test]
fn containers_with_same_host_label_share_a_route() {
    let mut world = World::of([
        labelled(container("a", 2, &[80]), &[("host", "app")]),
        labelled(container("b", 3, &[80]), &[("host", "app")]),
        labelled(container("c", 4, &[80]), &[("host", "app"), ("hold", "3")]),
    ]);
    assert_eq!(
        world.lines(),
        [
            "a -> app.flatnet.internal,app.local / 10.87.1.2:80 running 10.87.1.3:80 running 10.87.1.4:80 running"
        ]
    );
    assert_eq!(world.build().conflicts, ["c joins the route of a, whose labels apply to both"]);
    world.containers[1] = labelled(container("b", 3, &[80]), &[("host", "app,b")]);
    assert_eq!(world.build().table.routes.len(), 2);
    assert_eq!(world.build().conflicts[0], "b claims app.flatnet.internal, which is taken by a");
    // Container names that give the same host are not merged.
    let world = World::of([container("Web", 2, &[80]), container("web", 3, &[80])]);
    assert_eq!(world.build().conflicts, ["web claims web.flatnet.internal, which is taken by Web"]);
    assert_eq!(world.build().table.routes.len(), 2);
}

#[test]
fn containers_sharing_namespace_keep_own_ports() {
    let web = container("web", 2, &[80]);
    let side = Container {
        shares: Some(web.id.clone()),
        networks: web.networks.clone(),
        ..container("side", 3, &[80])
    };
    let world = World::of([side.clone(), web.clone()]);
    assert_eq!(
        world.lines(),
        [
            "web -> web.flatnet.internal,web.local / 10.87.1.2:80 running",
            "side: port 80 belongs to web, whose address it shares",
        ]
    );
    // In a pod the owner is the infra container, which has no route.
    let infra = Container { is_infra: true, ..web };
    let other = Container { name: ContainerName::parse("other").unwrap(), ..side.clone() };
    let world = World::of([infra, side.clone(), other]);
    let lines = world.lines();
    assert!(
        lines.len() == 2 && lines.iter().all(|one| one.contains("!: port 80 may belong to it or to")),
        "{lines:?}"
    );
    let world = World::of([labelled(side, &[("port", "3000")])]);
    assert_eq!(world.lines(), ["side -> side.flatnet.internal,side.local / 10.87.1.2:3000 running"]);
}

#[test]
fn off_network_container_is_ignored_unless_labelled() {
    let elsewhere =
        |one: Container| Container { networks: BTreeMap::from([("podman".to_owned(), None)]), ..one };
    let world = World::of([
        elsewhere(container("a", 2, &[80])),
        elsewhere(labelled(container("b", 3, &[80]), &[("port", "80")])),
    ]);
    assert_eq!(world.lines(), ["b!: it has Flatnet labels, but is not on the network flatnet"]);
}

#[test]
fn address_outside_range_is_not_published() {
    let mut outside = container("a", 2, &[80]);
    outside.networks.insert("flatnet".to_owned(), Some(Ipv4Addr::LOCALHOST));
    let mut world = World::of([outside]);
    world.http(&[80]);
    assert_eq!(world.lines(), ["a!: its address 127.0.0.1 is outside 10.87.0.0/16"]);
}

#[test]
fn name_invalid_as_host_is_reported() {
    let world = World::of([container("a..b", 2, &[80])]);
    assert_eq!(
        world.lines(),
        [
            "a..b!: 'a..b' is not a valid host name: use letters, digits, - and _, in parts separated by dots: set the label flatnet.host"
        ]
    );
}

/// Label values: valid ones, and ones with syntax of nginx, HTML, JSON, Lua, shells and terminals.
fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[-a-z0-9*./;:{}$#<>\"'\\\\ \n\t%]{0,40}",
        Just("git.example.org".to_owned()),
        Just("80".to_owned()),
        Just("/x".to_owned()),
        Just("true".to_owned()),
    ]
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(KNOWN.to_vec()).prop_map(|key| format!("flatnet.{key}")),
        "[a-z.]{1,12}",
        any::<String>().prop_map(|key| format!("flatnet.{key}")),
    ]
}

fn any_container() -> impl Strategy<Value = Container> {
    let labels = prop::collection::btree_map(key(), hostile(), 0..4);
    let names = "[A-Za-z0-9][A-Za-z0-9_.-]{0,20}";
    let state = prop::sample::select(vec![
        ContainerState::Running,
        ContainerState::Paused,
        ContainerState::Restarting,
        ContainerState::Stopped,
    ]);
    let ports = prop::collection::vec(1..=u16::MAX, 0..3);
    (names, 2..250u8, ports, labels, state).prop_map(|(name, number, ports, labels, state)| Container {
        state,
        labels,
        ..container(&name, number, &ports)
    })
}

proptest! {
    /// Whatever the labels are, the table is valid for the gateway, and its texts are harmless.
    #[test]
    fn published_table_contains_only_safe_text(containers in prop::collection::vec(any_container(), 0..6), http in any::<bool>()) {
        let mut seen = BTreeSet::new();
        let containers: Vec<_> = containers
            .into_iter()
            .filter(|one| seen.insert(one.name.to_string()) && seen.insert(one.id.to_string()))
            .collect();
        let mut world = World::of(containers);
        if http {
            let ports: Vec<u16> = world.containers.iter().flat_map(|one| one.exposed.clone()).collect();
            world.http(&ports);
        }
        let built = world.build();
        let json = serde_json::to_string(&built.table).unwrap();
        prop_assert!(json.chars().all(|c| c.is_ascii_graphic() || c == ' '), "{json}");
        for route in &built.table.routes {
            let hosts = route.hosts.iter().map(HostPattern::as_str).chain([route.path.as_str(), route.name.as_str()]);
            for text in hosts {
                prop_assert!(text.chars().all(|c| c.is_ascii_alphanumeric() || "*._-/~".contains(c)), "{text}");
            }
        }
        for one in &built.table.unrouted {
            prop_assert!(!one.why.contains(['<', '>', '&', '"', '`', '\\']), "{}", one.why);
        }
        // Every container is listed once, or is not expected to be.
        let routed: usize = built.table.routes.iter().map(|route| route.endpoints.len()).sum();
        prop_assert_eq!(routed + built.table.unrouted.len(), world.containers.len());
        // Building again gives the same table.
        world.publish();
        prop_assert!(world.build().table.says_the_same_as(&built.table));
    }
}
