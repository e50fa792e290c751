use super::*;
use crate::model::config::Allowance;
use crate::model::types::HostName;
use crate::routes::build::{Sources, build};
use crate::routes::port_choice::{Answer as Probed, Answers, KnownPorts};

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn user(name: &str, uid: u32) -> User {
    User { name: name.parse().unwrap(), uid: uid.try_into().unwrap() }
}

fn config() -> Config {
    let mut config = Config::default();
    for user in ["alice", "bob"] {
        config.rootless.users.insert(user.parse().unwrap(), Allowance::default());
    }
    config
}

/// A container as a Podman describes it: its ID begins with `id`.
fn container(id: &str, name: &str, labels: &[(&str, &str)]) -> Container {
    Container {
        id: format!("{id}{}", &ID[id.len()..]).parse().unwrap(),
        name: name.parse().unwrap(),
        state: ContainerState::Running,
        since: "2026-11-23T12:00:00Z".to_owned(),
        created: jiff::Timestamp::UNIX_EPOCH,
        has_run: true,
        labels: labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        exposed: [80].into(),
        networks: BTreeMap::from([("flatnet".to_owned(), Some(Ipv4Addr::new(10, 87, 1, 99)))]),
        shares: None,
        is_infra: false,
    }
}

struct World {
    config: Config,
    records: Records,
    users: UsersContainers,
    root: Vec<Container>,
    before: Option<Table>,
}

impl World {
    fn new() -> Self {
        let (records, users) = (Records::default(), UsersContainers::default());
        Self { config: config(), records, users, root: Vec::new(), before: None }
    }

    fn answers(&mut self, user: &User, containers: impl IntoIterator<Item = Container>) {
        let (containers, left_out) = (containers.into_iter().collect(), Vec::new());
        let answer = Answer { user: user.clone(), containers, left_out };
        self.users.take(user.name.clone(), Ok(answer), &self.config.network);
    }

    fn attach(&mut self, user: &User, id: &str, last: u8, since: i64) {
        let id: ContainerId = format!("{id}{}", &ID[id.len()..]).parse().unwrap();
        let id = user.container_id(&id).unwrap();
        let since = jiff::Timestamp::from_second(since).unwrap();
        self.records.known.insert(id.clone());
        self.records.attached.insert(id, (Ipv4Addr::new(10, 87, 1, last), since));
    }

    fn table(&mut self) -> Table {
        let of_users = self.users.containers(&self.config.network, &self.records);
        let host = HostName::parse("dev-pc").unwrap();
        let sources = Sources {
            config: &self.config,
            host: &host,
            containers: &self.root,
            of_users: &of_users,
            last_addresses: &BTreeMap::new(),
            before: self.before.as_ref(),
            remembered: &KnownPorts::default(),
        };
        let all = (1..=255).map(|last| std::net::SocketAddrV4::new(Ipv4Addr::new(10, 87, 1, last), 80));
        let answers: Answers = all.map(|at| (at, Probed::Http)).collect();
        let table = build(&sources, &answers).table;
        table.validate(&self.config.range).unwrap();
        table
    }

    /// `web.alice http://x.flatnet.internal/ 10.87.1.2 running` and `web.bob! why`.
    fn lines(&mut self) -> Vec<String> {
        let Table { routes, unrouted, .. } = self.table();
        let routed = routes.iter().flat_map(|route| {
            let url = format!("{}{}", route.hosts.first().map_or("", |host| host.as_str()), route.path);
            route
                .endpoints
                .iter()
                .map(move |one| format!("{} {url} {} {}", one.container, one.address, one.state.word()))
        });
        let refused = unrouted.iter().map(|one| format!("{}: {}", one.container, one.why));
        routed.chain(refused).collect()
    }
}

#[test]
fn address_and_attachment_are_flatnets_to_say() {
    let (mut world, alice) = (World::new(), user("alice", 1001));
    // Not attached: neither running nor at the address that her Podman claims.
    world.answers(&alice, [container("aa", "web", &[])]);
    assert_eq!(world.lines(), ["web.alice: it has no address yet"]);
    world.attach(&alice, "aa", 2, 5);
    assert_eq!(world.lines(), ["web.alice web.alice.flatnet.internal/ 10.87.1.2 running"]);
    // Detached, and the address is another's by now: the route stays, and leads to a container that is stopped.
    world.before = Some(world.table());
    world.records = Records::default();
    assert_eq!(world.lines()[0], "web.alice: it is stopped and has not answered HTTP before");
    world.answers(&alice, [container("aa", "web", &[("flatnet.port", "80")])]);
    assert_eq!(world.lines(), ["web.alice web.alice.flatnet.internal/ 10.87.1.2 stopped"]);
}

#[test]
fn container_with_anothers_id_or_name_gets_nothing_of_it() {
    let (mut world, alice, bob) = (World::new(), user("alice", 1001), user("bob", 1002));
    world.attach(&bob, "bb", 3, 1);
    world.attach(&alice, "aa", 2, 2);
    let same_as_root = container("cc", "git", &[]);
    world.root = vec![same_as_root.clone(), container("dd", "git.alice", &[])];
    let odd = |id: &str| Container { id: id.parse().unwrap(), ..container("aa", "odd", &[]) };
    let sharing = |id: &str| Container {
        shares: id.parse().ok(),
        ..container("ee", "sharing", &[("flatnet.port", "80")])
    };
    let bobs = user("bob", 1002).container_id(&container("bb", "x", &[]).id).unwrap();
    world.answers(
        &alice,
        [
            odd("aa"),
            odd(bobs.as_str()),
            odd(&format!("{}.bob.{ID}", 1002)),
            container("bb", "bobs", &[("flatnet.port", "80")]),
            same_as_root,
            sharing(bobs.as_str()),
            container("aa", "first", &[]),
            container("aa", "second", &[]),
        ],
    );
    assert_eq!(
        world.lines(),
        [
            "git git.flatnet.internal/ 10.87.1.99 running",
            "git.alice git.alice.flatnet.internal/ 10.87.1.99 running",
            "first.alice first.alice.flatnet.internal/ 10.87.1.2 running",
            "bobs.alice: it has no address yet",
            "git.alice: it has no address yet",
        ]
    );
    world.attach(&alice, "cc", 4, 3);
    let lines = world.lines();
    assert!(
        lines.contains(
            &"git.alice: a container of root's is called git.alice, too: give it another name".to_owned()
        ),
        "{lines:?}"
    );
}

#[test]
fn name_of_root_the_gateway_or_another_user_is_never_taken() {
    let (mut world, alice, bob) = (World::new(), user("alice", 1001), user("bob", 1002));
    let named = |id: &str, host: &str, path: &str| {
        container(id, id, &[("flatnet.host", host), ("flatnet.path", path), ("flatnet.port", "80")])
    };
    for (index, id) in ["a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9"].into_iter().enumerate() {
        world.attach(&alice, id, u8::try_from(index).unwrap() + 10, 1);
        world.attach(&bob, id, u8::try_from(index).unwrap() + 30, 2);
    }
    world.answers(
        &alice,
        [named("a1", "shop", "/"), named("a2", "shop", "/api"), named("a3", "*.a.test", "/")],
    );
    world.before = Some(world.table());
    assert_eq!(world.lines().len(), 3);
    // Older by all that Podman says, and attached earlier: alice was first with `shop`.
    for (id, (_, since)) in &mut world.records.attached {
        let is_alices = User::of(id) == Some(alice.clone());
        *since = jiff::Timestamp::from_second(if is_alices { 9 } else { 1 }).unwrap();
    }
    world.answers(
        &bob,
        [
            named("a1", "shop", "/"),
            named("a2", "shop", "/login"),
            named("a3", "x.y.a.test", "/"),
            named("a4", "portal", "/x"),
            named("a5", "*.flatnet.internal", "/"),
            named("a6", "web.alice", "/"),
            named("a7", "*.internal", "/x"),
            Container {
                labels: [("flatnet.path".to_owned(), "/wiki".to_owned())].into(),
                ..container("a8", "wiki", &[])
            },
            named("a9", "web.bob.flatnet.internal", "/"),
        ],
    );
    let refused = |world: &mut World| -> Vec<String> {
        world.lines().into_iter().filter(|line| line.contains(": ")).collect()
    };
    assert_eq!(
        refused(&mut world),
        [
            "a1.bob: shop.flatnet.internal belongs to a1.alice: set another flatnet.host",
            "a2.bob: shop.flatnet.internal belongs to a1.alice: set another flatnet.host",
            "a3.bob: x.y.a.test belongs to a3.alice: set another flatnet.host",
            "a4.bob: portal.flatnet.internal is reserved for the gateway: set another flatnet.host or flatnet.path",
            "a5.bob: *.flatnet.internal is reserved for the gateway: set another flatnet.host or flatnet.path",
            "a7.bob: *.internal is reserved for the gateway: set another flatnet.host or flatnet.path",
            "wiki.bob: /wiki is reserved for the gateway: set another flatnet.host or flatnet.path",
        ]
    );
}

/// Also while root's container has no route, and was created later.
#[test]
fn name_of_roots_container_is_roots() {
    let (mut world, alice) = (World::new(), user("alice", 1001));
    for (id, last) in [("a1", 10), ("a2", 11), ("a3", 12)] {
        world.attach(&alice, id, last, 1);
    }
    let named = |id: &str, host: &str, path: &str| {
        container(id, id, &[("flatnet.host", host), ("flatnet.path", path), ("flatnet.port", "80")])
    };
    world.answers(
        &alice,
        [named("a1", "git", "/"), named("a2", "git", "/login"), named("a3", "x.pages.test", "/")],
    );
    world.before = Some(world.table());
    assert_eq!(world.lines().len(), 3);
    let created = jiff::Timestamp::MAX;
    let silent = Container { created, exposed: BTreeSet::new(), ..container("d1", "git", &[]) };
    let pages = container("d2", "pages", &[("flatnet.host", "*.pages.test"), ("flatnet.port", "80")]);
    world.root = vec![silent, Container { created, ..pages }];
    assert_eq!(
        world.lines(),
        [
            "pages *.pages.test/ 10.87.1.99 running",
            "git: it exposes no TCP port and has no label flatnet.port",
            "a1.alice: git.flatnet.internal belongs to root's container git: set another flatnet.host",
            "a2.alice: git.flatnet.internal belongs to root's container git: set another flatnet.host",
            "a3.alice: x.pages.test belongs to root's container pages: set another flatnet.host",
        ]
    );
    // Not even as a further container of root's route.
    world.root = vec![named("d1", "git", "/")];
    let table = world.table();
    assert_eq!((table.routes[0].name.as_str(), table.routes[0].endpoints.len()), ("d1", 1));
}

#[test]
fn published_routes_are_recalled_until_podman_answers() {
    let (mut world, alice) = (World::new(), user("alice", 1001));
    world.attach(&alice, "aa", 2, 1);
    world.attach(&alice, "bb", 3, 2);
    world.attach(&alice, "cc", 4, 3);
    let health = [
        ("flatnet.health.path", "/up"),
        ("flatnet.path", "/x"),
        ("flatnet.strip", "true"),
        ("flatnet.stream", "1"),
    ];
    world.answers(
        &alice,
        [
            container("aa", "web", &health),
            container(
                "bb",
                "two",
                &[
                    ("flatnet.host", "two, shop,*.a.test,x.y.local"),
                    ("flatnet.scheme", "https"),
                    ("flatnet.hold", "3"),
                ],
            ),
            container("cc", "web2", &[]),
        ],
    );
    let table = world.table();
    assert_eq!(table.routes.len(), 2, "one has no name, only a path: {table:?}");
    world.before = Some(table.clone());
    world.users = UsersContainers::default();
    let asked = world.users.to_ask(&world.config, &world.records, world.before.as_ref());
    assert_eq!(asked, std::slice::from_ref(&alice.name));
    let failed = || Error::new(crate::error::Kind::Command, "no\u{1b}[31m");
    world.users.take(alice.name.clone(), Err(failed()), &world.config.network);
    assert_eq!(world.table().routes, table.routes);
    let problems: Vec<_> = world.users.problems().collect();
    assert!(
        problems.len() == 1
            && problems[0].contains("user alice does not answer")
            && !problems[0].contains('\u{1b}')
    );
    // Attached no longer, and then gone for her Podman too.
    world.records.attached.clear();
    assert!(world.table().routes.iter().all(|route| route.endpoints[0].state == ContainerState::Stopped));
    assert_eq!(world.users.to_ask(&world.config, &world.records, world.before.as_ref()).len(), 1);
    world.answers(&alice, []);
    assert!(world.table().routes.is_empty() && world.users.problems().next().is_none());
    assert!(
        world.users.to_ask(&world.config, &world.records, world.before.as_ref()).is_empty(),
        "hosts without such containers pay nothing"
    );
    world.config.rootless.users.clear();
    world.users.take(alice.name.clone(), Err(failed()), &world.config.network);
    world.users.to_ask(&world.config, &world.records, None);
    assert_eq!(world.users.problems().count(), 0);
}

#[test]
fn answer_is_bounded() {
    let (mut world, alice) = (World::new(), user("alice", 1001));
    let mut many: Vec<Container> = (0..MOST + 50)
        .map(|number| container(&format!("{number:04x}"), &format!("c{number}"), &[]))
        .collect();
    many[0].exposed = (1..=1000).collect();
    many[1].networks.clear();
    world.answers(&alice, many);
    let found = world.users.containers(&world.config.network, &world.records);
    assert_eq!((found.len(), found[0].exposed.len()), (MOST, MOST_PORTS));
    assert_eq!(found[1].name.as_str(), "c2.alice", "no network of ours, no label, nothing shared");
}
