//! Names: what a container finds by name, from the moment `podman run` has returned.

use flatnet::state::names::NamesFile;

use crate::podman::{Flavour, IMAGE, LUA_MODULES, Lab, WINDOWS, name_server, on_both};
use crate::sandbox::Sandbox;

/// Where everything about this network is read.
const FILE: &str = "/run/flatnet-dns/flatnet";

on_both!(
    names_aliases_and_ids_are_found_from_inside,
    first_query_is_right_every_time,
    names_follow_containers,
    containers_of_pods_are_found_by_the_pods_name,
    services_of_compose_are_found,
    two_networks_find_each_others_names,
    only_containers_and_gateways_may_ask,
    lost_names_come_back,
    without_a_resolver_containers_get_this_hosts_servers,
    names_can_be_switched_off,
    claimed_names_are_reported,
    names_are_listed_with_their_reason,
    urls_of_the_lan_are_opened_through_the_gateway,
);

impl Lab {
    /// The addresses of `name` as a program with glibc in the container `client` finds them.
    fn look_up(&self, client: &str, name: &str) -> Vec<String> {
        let output =
            self.sh(&format!("podman exec {client} nslookup -type=a {name} 2>&1 || true")).succeeds();
        let found = output.stdout.lines().skip_while(|line| !line.starts_with("Name:"));
        let address = |line: &str| line.strip_prefix("Address")?.rsplit(' ').next().map(str::to_owned);
        let mut found: Vec<String> = found.filter_map(address).collect();
        found.sort();
        found.dedup();
        found
    }

    #[track_caller]
    fn finds(&self, client: &str, name: &str, address: &str) {
        assert_eq!(self.look_up(client, name), [address], "{name}, asked by {client}");
    }

    #[track_caller]
    fn finds_nobody(&self, client: &str, name: &str) {
        assert_eq!(self.look_up(client, name), [""; 0], "{name}, asked by {client}");
    }
}

fn names_aliases_and_ids_are_found_from_inside(lab: &Lab) {
    let web = lab.run("web", "--network-alias www --network-alias Shop");
    let client = lab.run("client", "--cap-add NET_RAW");
    let id = lab.sh("podman inspect web --format '{{.Id}}'").succeeds().stdout[..12].to_owned();
    for name in
        ["web", "www", "shop", "WEB", &id, "web.direct.flatnet.internal", "Shop.Direct.Flatnet.Internal."]
    {
        lab.finds("client", name, &web);
    }
    lab.finds("web", "client", &client);
    lab.finds("client", "client", &client);
    lab.sh("podman exec client ping -c 1 -W 3 web").prints("1 packets received");
    for nobody in ["nobody", "nobody.direct.flatnet.internal", "web.flat.test"] {
        lab.finds_nobody("client", nobody);
    }
    lab.finds("client", "host", "10.87.1.1");
    // The resolver alone, whichever C library asks: musl takes the first answer of any of three.
    let resolv = lab.sh("podman exec client cat /etc/resolv.conf").succeeds().stdout;
    assert!(resolv.contains("search direct.flatnet.internal flat.test\n"), "{resolv}");
    let servers = resolv.lines().filter(|line| line.starts_with("nameserver")).take(3);
    assert!(servers.clone().all(|line| line == "nameserver 10.87.1.1"), "{resolv}");
    assert_eq!(servers.count(), if lab.flavour == Flavour::Cni { 3 } else { 1 }, "{resolv}");
    lab.remove_all();
    lab.nothing_left();
}

fn first_query_is_right_every_time(lab: &Lab) {
    lab.run("client", "");
    lab.sh(&format!(
        "for i in $(seq 20); do
            podman run -d --rm --name n$i --network flatnet {IMAGE} sleep 60 >/dev/null
            address=$({{ podman exec client nslookup -type=a n$i 2>&1 || true; }} | sed -n '/^Name/,$s/^Address.* //p')
            wanted=$(podman inspect n$i --format '{{{{.NetworkSettings.Networks.flatnet.IPAddress}}}}')
            [[ $address == \"$wanted\" ]] || {{ echo \"n$i is $wanted, found $address\"; exit 1; }}
            podman rm -f -t 0 n$i >/dev/null
            ! flatnet names n$i >/dev/null || exit 2
        done"
    ))
    .succeeds();
    lab.remove_all();
    lab.nothing_left();
}

fn names_follow_containers(lab: &Lab) {
    lab.run("client", "");
    let first = lab.run("web", "--network-alias www");
    lab.sh("podman stop -t 0 web").succeeds();
    lab.finds_nobody("client", "web");
    lab.sh("podman start web").succeeds();
    lab.finds("client", "www", &first);
    // Podman tells no plugin of a new name before the next start.
    lab.sh("podman rename web shop && podman restart -t 0 shop").succeeds();
    lab.finds("client", "shop", &first);
    lab.finds_nobody("client", "web");
    lab.sh("podman rm -f -t 0 shop").succeeds();
    lab.finds_nobody("client", "www");
    // Two containers with one alias.
    let mut both = vec![lab.run("a", "--network-alias pool"), lab.run("b", "--network-alias pool")];
    both.sort();
    assert_eq!(lab.look_up("client", "pool"), both);
    lab.sh("podman kill a && podman rm -f -t 0 a").succeeds();
    lab.finds("client", "pool", &lab.address("b"));
    // Connected later, with an alias.
    lab.sh(&format!("podman run -d --name later --network podman {IMAGE}")).succeeds();
    lab.sh("podman network connect --alias joined flatnet later").succeeds();
    lab.finds("client", "joined", &lab.address("later"));
    lab.finds("client", "later", &lab.address("later"));
    lab.sh("podman network disconnect flatnet later").succeeds();
    lab.finds_nobody("client", "joined");
    lab.remove_all();
    lab.nothing_left();
}

fn containers_of_pods_are_found_by_the_pods_name(lab: &Lab) {
    let pod = lab.sh(&format!(
        "podman pod create --name stack --network flatnet --network-alias front --infra-image {IMAGE} >/dev/null
        podman run -d --pod stack --name inner {IMAGE} sleep 600 >/dev/null
        podman run -d --name client --network flatnet {IMAGE} >/dev/null
        podman inspect $(podman pod inspect stack --format '{{{{.InfraContainerID}}}}') --format '{{{{.NetworkSettings.Networks.flatnet.IPAddress}}}}'"
    ));
    let pod = pod.succeeds().stdout.trim().to_owned();
    lab.finds("client", "stack", &pod);
    lab.finds("client", "front", &pod);
    lab.finds("inner", "client", &lab.address("client"));
    lab.sh("podman pod rm -f -t 0 stack").succeeds();
    lab.finds_nobody("client", "stack");
    lab.remove_all();
    lab.nothing_left();
}

fn services_of_compose_are_found(lab: &Lab) {
    let service = |name: &str| format!("  {name}: {{image: localhost/{IMAGE}, networks: [flatnet]}}\n");
    let networks = "networks:\n  flatnet: {external: true}\n";
    lab.sandbox.write(
        "/srv/shop/compose.yaml",
        &format!("services:\n{}{}{networks}", service("front"), service("db")),
    );
    lab.sh("cd /srv/shop && podman-compose up -d 2>&1").succeeds();
    let db = lab.address("shop_db_1");
    for name in ["db", "shop_db_1", "db.direct.flatnet.internal"] {
        lab.finds("shop_front_1", name, &db);
    }
    lab.finds("shop_db_1", "front", &lab.address("shop_front_1"));
    lab.sh("cd /srv/shop && podman-compose down -t 0 2>&1").succeeds();
    lab.run("client", "");
    lab.finds_nobody("client", "db");
    lab.remove_all();
    lab.nothing_left();
}

/// Podman 4 gives such a pod no more than its own name, and needs a cgroup for it, which a sandbox has not.
#[test]
fn pods_of_kube_play_are_found_with_their_containers() {
    let lab = &Lab::start(Flavour::Netavark);
    let container = |name: &str, command: &str| {
        format!("  - {{name: {name}, image: localhost/{IMAGE}:latest, imagePullPolicy: Never{command}}}\n")
    };
    let (front, cache) = (container("front", ""), container("cache", ", command: [sleep, \"600\"]"));
    let pod = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: shop}}\nspec:\n  hostname: till\n  containers:\n{front}{cache}"
    );
    lab.sandbox.write("/srv/shop.yaml", &pod);
    lab.sandbox.write(
        "/etc/containers/containers.conf.d/infra.conf",
        &format!("[engine]\ninfra_image = \"localhost/{IMAGE}\"\n"),
    );
    lab.sh("podman kube play --network flatnet /srv/shop.yaml").succeeds();
    let shop = lab.address("$(podman pod inspect shop --format '{{.InfraContainerID}}')");
    let client = lab.run("client", "");
    for name in ["shop", "front", "cache", "till", "shop.direct.flatnet.internal"] {
        lab.finds("client", name, &shop);
    }
    lab.finds("shop-cache", "client", &client);
    lab.sh("podman kube down /srv/shop.yaml").succeeds();
    lab.finds_nobody("client", "shop");
    lab.remove_all();
    lab.nothing_left();
}

/// musl asks all servers at once and takes the first answer; glibc asks one after the other.
fn both_c_libraries_find_names(lab: &Lab) {
    let web = lab.run("web", "--network-alias www");
    lab.sh("podman run -d --name client --network flatnet flatnet-test/libc").succeeds();
    for library in ["resolve-glibc", "resolve-musl"] {
        lab.sh(&format!(
            "for i in $(seq 20); do podman exec client {library} web WWW web.direct.flatnet.internal; done | sort -u"
        ))
        .prints_exactly(&format!("WWW {web}\nweb {web}\nweb.direct.flatnet.internal {web}"));
        // What nobody has is said to be missing, and not that nobody could be asked.
        let missing = lab.sh(&format!("podman exec client {library} nobody")).fails().stdout;
        assert!(
            missing.contains("not known") || missing.contains("does not resolve"),
            "{library}: {missing}"
        );
    }
    lab.remove_all();
}

#[test]
fn both_c_libraries_find_names_in_podman4() {
    both_c_libraries_find_names(&Lab::start_in(Sandbox::podman4().image("libc"), Flavour::Cni));
}

#[test]
fn both_c_libraries_find_names_in_podman5() {
    both_c_libraries_find_names(&Lab::start_in(Sandbox::trixie().image("libc"), Flavour::Netavark));
}

fn two_networks_find_each_others_names(lab: &Lab) {
    lab.sh("flatnet --config /etc/flatnet/lab.yaml init --host 9 --network lab --bridge lab-br0 >/dev/null
        flatnet --config /etc/flatnet/lab.yaml up >/dev/null")
        .succeeds();
    if lab.flavour == Flavour::Netavark {
        lab.sh("podman network create -d flatnet -o config=/etc/flatnet/lab.yaml lab").succeeds();
    }
    let web = lab.run("web", "");
    lab.sh(&format!(
        "podman run -d --name both --network flatnet --network lab {IMAGE}
        podman run -d --name far --network lab {IMAGE}"
    ))
    .succeeds();
    let far = lab.sh("podman inspect far --format '{{.NetworkSettings.Networks.lab.IPAddress}}'").succeeds();
    lab.finds("both", "web", &web);
    lab.finds("both", "far", far.stdout.trim());
    lab.remove_all();
    lab.sh("pgrep -f 'flatnet d[n]s' | wc -l").prints_exactly("1");
    lab.sh("flatnet --config /etc/flatnet/lab.yaml down").succeeds();
    lab.sh("pgrep -f 'flatnet d[n]s' | wc -l").prints_exactly("1");
    lab.sh("flatnet down >/dev/null; ! pgrep -f 'flatnet d[n]s'; ls -A /run/flatnet-dns").prints_exactly("");
}

/// Podman lists the resolvers of both networks in random order: whichever is first finds the names of both.
#[test]
fn names_of_podmans_own_network_are_found() {
    let lab = &Lab::start(Flavour::Netavark);
    let web = lab.run("web", "");
    lab.sh(&format!(
        "podman network create podnet
        podman run -d --name own --network podnet --network-alias Shop {IMAGE}
        podman run -d --name both --network flatnet --network podnet {IMAGE}"
    ))
    .succeeds();
    let inspect = "podman inspect own --format '{{.NetworkSettings.Networks.podnet.IPAddress}}'";
    let own = lab.sh(inspect).succeeds().stdout.trim().to_owned();
    let fix = "podman network update podnet --dns-add 10.87.1.1";
    let reported = lab.sh("flatnet doctor").exits_with(1).stdout;
    assert!(reported.contains("container both ") && reported.contains(fix), "{reported}");
    lab.sh(fix).succeeds();
    lab.sh("flatnet doctor").succeeds();
    let ask = |client: &str, name: &str, server: &str| {
        let script = format!("podman exec {client} nslookup -type=a {name} {server} 2>&1 || true");
        lab.sh(&script).succeeds().stdout
    };
    for server in ["10.87.1.1", "10.89.0.1"] {
        for (name, address) in [("web", &web), ("own", &own), ("SHOP", &own), ("own.dns.podman", &own)] {
            let answer = ask("both", name, server);
            assert!(answer.contains(address), "{name} of {server}: {answer}");
        }
        for nobody in ["nobody", "nobody.dns.podman"] {
            assert!(ask("both", nobody, server).contains("NXDOMAIN"), "{nobody} of {server}");
        }
    }
    lab.finds("both", "web", &web);
    lab.finds("both", "own", &own);
    // Only for containers that are in that network.
    assert!(ask("web", "own", "10.87.1.1").contains("NXDOMAIN"));
    lab.sh("podman rm -f -t 0 own").succeeds();
    assert!(ask("both", "own", "10.87.1.1").contains("NXDOMAIN"));
    lab.remove_all();
}

fn only_containers_and_gateways_may_ask(lab: &Lab) {
    let web = lab.run("web", "");
    let by_udp = |who: &str| {
        lab.sh(&format!(
            "{who} timeout 2 busybox nslookup -type=a web.direct.flatnet.internal 10.87.1.1 2>&1"
        ))
    };
    let by_tcp = |who: &str| lab.sh(&format!("{who} timeout 1 bash -c '</dev/tcp/10.87.1.1/53'"));
    for who in ["", "ip netns exec windows"] {
        by_udp(who).prints(&web);
        by_tcp(who).succeeds();
    }
    by_udp("ip netns exec stranger").fails();
    by_tcp("ip netns exec stranger").fails();
    let counted = lab.sh("nft list chain inet flatnet who_may_ask_for_names").succeeds().stdout;
    for rule in ["udp dport 53", "tcp dport 53"] {
        let line = counted.lines().find(|line| line.contains(rule)).unwrap_or_default();
        assert!(!line.contains("packets 0 "), "{counted}");
    }
    lab.remove_all();
    lab.nothing_left();
}

fn lost_names_come_back(lab: &Lab) {
    let web = lab.run("web", "--network-alias www");
    lab.run("client", "");
    let read = |text: &str| NamesFile::parse(text).unwrap();
    let before = lab.sandbox.read(FILE);
    for (lose, restore) in [
        (format!("rm {FILE}"), "flatnet up"),
        (format!("head -c 150 {FILE} >/tmp/torn; cp /tmp/torn {FILE}"), "flatnet repair"),
        (format!("sed -i '/^name/d' {FILE}"), "flatnet up"),
        (format!("echo 'name 10.87.1.99 0123456789abcdef eth0 ghost' >>{FILE}"), "flatnet repair"),
    ] {
        lab.sh(&lose).succeeds();
        lab.sh(restore).succeeds();
        assert_eq!(read(&lab.sandbox.read(FILE)), read(&before), "{lose}");
        lab.finds("client", "www", &web);
    }
    // The next container restores it, too.
    lab.sh(&format!("rm -r {}", "/run/flatnet-dns/flatnet")).succeeds();
    lab.run("next", "");
    lab.finds("next", "web", &web);
    lab.sh("podman rm -f -t 0 next").succeeds();
    assert_eq!(read(&lab.sandbox.read(FILE)), read(&before));
    lab.remove_all();
    lab.nothing_left();
}

fn without_a_resolver_containers_get_this_hosts_servers(lab: &Lab) {
    // A program of the host's own has the port.
    lab.sh("kill $(pgrep -f 'flatnet d[n]s'); while pgrep -f 'flatnet d[n]s'; do sleep 0.05; done")
        .succeeds();
    name_server(&lab.sandbox, "", "0.0.0.0");
    lab.run("web", "");
    let resolv = lab.sh("podman exec web cat /etc/resolv.conf").prints("search flat.test").stdout;
    assert!(resolv.contains("nameserver 192.0.2.53") && !resolv.contains("10.87.1.1"), "{resolv}");
    lab.sh("cat /var/log/flatnet/flatnet.log").prints("the resolver does not answer at 10.87.1.1");
    lab.sh("kill $(pgrep -f 'name_server.pl [0]')").succeeds();
    lab.run("client", "");
    lab.finds("client", "web", &lab.address("web"));
    lab.remove_all();
    lab.nothing_left();
}

fn names_can_be_switched_off(lab: &Lab) {
    lab.run("old", "");
    let note = "(1) resolve no names, not even those of the internet, until they are started again";
    lab.sh("echo 'names: {enabled: false}' >>/etc/flatnet/flatnet.yaml; flatnet plan").prints(note);
    lab.sh("flatnet up").prints(note);
    lab.sh(&format!("[ ! -e {FILE} ]; ! nft list ruleset | grep who_may_ask")).succeeds();
    lab.run("web", "");
    let resolv = lab.sh("podman exec web cat /etc/resolv.conf").prints("search flat.test").stdout;
    assert!(!resolv.contains("10.87.1.1"), "{resolv}");
    lab.sh("flatnet plan --dry-run --exit-code").succeeds();
    lab.remove_all();
}

fn claimed_names_are_reported(lab: &Lab) {
    let web = lab.run("web", "");
    let other = lab.run("other", "--network-alias Web");
    let mut both = vec![web, other];
    both.sort();
    assert_eq!(lab.look_up("web", "web"), both);
    let reported = lab.sh("flatnet doctor").exits_with(1).stdout;
    assert!(reported.contains("Web is the name of container web "), "{reported}");
    assert!(reported.contains("an alias of other "), "{reported}");
    // A name that is no container's.
    let claimed = lab.run("third", "--network-alias Host");
    assert_eq!(lab.look_up("web", "host"), [claimed.as_str()]);
    let reported = lab.sh("flatnet doctor").exits_with(1).stdout;
    assert!(
        reported.contains("host is a name of container third ") && reported.contains(", and of 10.87.1.1: "),
        "{reported}"
    );
    let listed = lab.sh("flatnet names host").succeeds().stdout;
    assert!(listed.contains("alias") && !listed.contains("this host"), "{listed}");
    lab.remove_all();
    lab.nothing_left();
}

fn names_are_listed_with_their_reason(lab: &Lab) {
    let web = lab.run("web", "--network-alias www");
    let id = lab.sh("podman inspect web --format '{{.Id}}'").succeeds().stdout[..12].to_owned();
    let listed = lab.sh("flatnet names").succeeds().stdout;
    let rows: Vec<Vec<&str>> = listed.lines().map(|line| line.split_whitespace().collect()).collect();
    for row in [["web", &web, "container", "web"], ["www", &web, "alias", "web"], [&id, &web, "ID", "web"]] {
        assert!(rows.contains(&row.to_vec()), "{row:?}: {listed}");
    }
    assert!(listed.contains("All other names are forwarded: 192.0.2.53.\n"), "{listed}");
    for name in ["www", "WWW.Direct.Flatnet.Internal.", &id] {
        lab.sh(&format!("flatnet names {name} | tail -n 1")).prints_exactly(&format!("{name}: {web}"));
    }
    assert_eq!(lab.sh("flatnet names shop").exits_with(1).stdout, "shop: no such name\n");
    lab.sh("flatnet names web.example.org").prints("forwarded: 192.0.2.53");
    for (bad, says) in [
        ("a..b", "\"a..b\" is not a name: a part between dots is empty"),
        ("''", "\"\" is not a name: a part between dots is empty"),
        ("10.87.1.2", "\"10.87.1.2\" is not a name: it is an address"),
    ] {
        lab.sh(&format!("flatnet names {bad}")).exits_with(2).complains(says);
    }
    lab.run("v1.2", "");
    lab.sh("flatnet names v1.2")
        .prints("forwarded: 192.0.2.53; the container is found as v1.2.direct.flatnet.internal\n");
    lab.sh("flatnet dns --port 5300")
        .exits_with(2)
        .complains("Stop it first: `systemctl stop flatnet-dns`, or `kill`");
    lab.sh("flatnet metrics --json")
        .exits_with(2)
        .complains("--json: metrics are in Prometheus' text format");
    let answer = ".answer.addresses[0], .resolver.answers, .names[0].why";
    lab.sh(&format!("flatnet names web --json | jq -r '{answer}'"))
        .prints_exactly(&format!("{web}\ntrue\ncontainer"));
    lab.remove_all();
}

/// A container opens the URL that a colleague opens, as a sign-in service's back channel does; with the gateway on
/// Windows, and on this host.
fn urls_of_the_lan_are_opened_through_the_gateway(lab: &Lab) {
    lab.run("web", "--label flatnet.host=shop.flatnet.internal");
    lab.run("client", "");
    for (platform, at, address, options) in
        [("windows", "ip netns exec windows", WINDOWS, LUA_MODULES), ("linux", "", "10.87.1.1", "")]
    {
        let nginx = format!("{at} nginx -p /var/lib/flatnet-gateway -c conf/nginx.conf {options}");
        lab.sh(&format!(
            "flatnet gateway install --platform {platform} --force; flatnet up; flatnet gateway sync; {nginx}"
        ))
        .succeeds();
        lab.finds("client", "shop.flatnet.internal", address);
        lab.finds("client", "gateway", address);
        let request = "GET /cgi-bin/who HTTP/1.0\\r\\nHost: shop.flatnet.internal\\r\\n\\r\\n";
        let open = format!(
            "{{ printf '{request}'; sleep 1; }} | podman exec -i client timeout 5 nc shop.flatnet.internal 80"
        );
        lab.sandbox.eventually(&format!("{open} | grep ' {address}$'"));
        let listed = lab.sh("flatnet names shop.flatnet.internal").succeeds().stdout;
        let row = ["shop.flatnet.internal", address, "route", "web"];
        assert!(listed.lines().any(|line| line.split_whitespace().eq(row)), "{listed}");
        lab.sh(&format!("{nginx} -s quit")).succeeds();
        lab.sandbox.eventually("! pgrep -x nginx");
    }
    lab.remove_all();
}
