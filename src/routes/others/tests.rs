use super::*;
use crate::model::config::parse;
use crate::model::types::ContainerName;
use crate::routes::build::Draft;
use crate::routes::table::LONGEST_NAME;

/// The configuration of the host with this number.
fn config(number: u16) -> Config {
    let yaml = format!("subnet: 10.87.{number}.0/24\noverlay: {{kind: nebula, number: {number}}}\n");
    parse(&yaml, std::path::Path::new("f.yaml")).unwrap()
}

/// The own table of host `number`, with a route to each of `names` at NAME.flatnet.internal.
fn own(number: u16, names: &[&str]) -> Draft {
    let mut table: Table = serde_json::from_str(&format!(
        r#"{{"version":1,"generation":0,"written":"","host":{{"name":"pc{number}","network":"flatnet",
        "subnet":"10.87.{number}.0/24","number":{number}}},"routes":[],"unrouted":[{{"container":"db","id":"0123",
        "address":"10.87.{number}.9","state":"running","since":"2026-11-23T11:58:01Z","why":"no port","warning":false}}],"end":0}}"#
    ))
    .unwrap();
    table.routes.extend(names.iter().map(|name| {
        let host = name.get(..60).unwrap_or(name);
        serde_json::from_str::<Route>(&format!(
            r#"{{"name":"{name}","hosts":["{host}.flatnet.internal"],"path":"/","strip":false,"scheme":"http","stream":false,
            "hold":10,"health":{{"path":"/","interval":5,"healthy":1,"unhealthy":1}},"endpoints":[{{"container":"{name}","id":"0a1b","address":"10.87.{number}.2","port":80,
            "state":"running","since":"2026-11-23T11:58:01Z"}}]}}"#
        ))
        .unwrap()
    }));
    Draft { table, conflicts: Vec::new() }
}

fn others(all: &[(u16, &[&str])]) -> Others {
    let other = |&(number, names): &(u16, &[&str])| {
        (number, Other::new(own(number, names).table, "2026-11-30T10:00:00Z".to_owned()))
    };
    all.iter().map(other).collect()
}

fn names(table: &Table) -> Vec<&str> {
    table.routes.iter().map(|route| route.name.as_str()).collect()
}

#[test]
fn routes_of_all_hosts_are_in_one_table_by_number() {
    let merged = merged(own(2, &["web"]), &others(&[(1, &["git"]), (3, &["web3"])]), &config(2));
    assert_eq!(names(&merged.table), ["git.h1", "web", "web3.h3"]);
    assert!(merged.conflicts.is_empty());
    assert_eq!(
        merged.table.unrouted.iter().map(|one| one.host).collect::<Vec<_>>(),
        [None, Some(1), Some(3)]
    );
    let hosts: Vec<_> = merged.table.hosts.iter().map(|one| (one.number, one.subnet.to_string())).collect();
    assert_eq!(hosts, [(1, "10.87.1.0/24".to_owned()), (3, "10.87.3.0/24".to_owned())]);
    merged.table.validate(&config(2).range).unwrap();
    assert_eq!(merged.table.own_routes().count(), 1);
}

#[test]
fn table_of_single_host_has_no_new_key() {
    let mut draft = own(1, &["web"]);
    draft.table.host.number = None;
    let merged = merged(draft.clone(), &others(&[(2, &["web"])]), &Config::default());
    assert_eq!(merged, draft);
    let text = serde_json::to_string(&merged.table).unwrap();
    assert!(
        !text.contains("number") && !text.contains("\"host\":1") && !text.contains("\"hosts\":[]"),
        "{text}"
    );
}

#[test]
fn lower_number_has_the_name() {
    let all = others(&[(1, &["web"]), (3, &["web", "git"])]);
    let merged = merged(own(2, &["web", "git"]), &all, &config(2));
    assert_eq!(names(&merged.table), ["web.h1", "web", "git", "web.h3", "git.h3"]);
    assert_eq!(
        merged.conflicts,
        [
            "web of host 2 claims web.flatnet.internal, which is taken by web of host 1",
            "web of host 3 claims web.flatnet.internal, which is taken by web of host 1",
            "git of host 3 claims git.flatnet.internal, which is taken by git of host 2",
        ]
    );
    assert_eq!(merged.table.conflicts(), 3);
}

#[test]
fn names_of_routes_are_unique_and_short_enough() {
    let long = "x".repeat(128);
    let all = others(&[(2, &["web", "web.h2", &long])]);
    let merged = merged(own(1, &["web.h2", "web.h2.1", &long]), &all, &config(1));
    assert_eq!(names(&merged.table)[3..5], ["web.h2.2", "web.h2.h2"]);
    assert_eq!(names(&merged.table)[5], format!("{}.h2", "x".repeat(125)));
    merged.table.validate(&config(1).range).unwrap();
    // The names that their own host gave them come back.
    assert_eq!(read_back(&merged.table, &config(1)), all);
}

#[test]
fn host_that_is_away_keeps_its_routes_over_a_restart() {
    let mut all = others(&[(2, &["web"]), (3, &[])]);
    all.get_mut(&2).unwrap().answers = false;
    let merged = merged(own(1, &["web"]), &all, &config(1));
    assert_eq!(read_back(&merged.table, &config(1)), all);
    let text = serde_json::to_string(&merged.table).unwrap();
    assert!(text.contains(r#""answers":false,"since":"2026-11-30T10:00:00Z""#), "{text}");
    assert_eq!(serde_json::from_str::<Table>(&text).unwrap(), merged.table);
    // This host has another number or range now, or has left.
    assert_eq!(read_back(&merged.table, &config(2)).into_keys().collect::<Vec<_>>(), [3]);
    assert!(read_back(&merged.table, &Config::default()).is_empty());
    let mut moved = config(1);
    moved.range = "10.0.0.0/8".parse().unwrap();
    assert!(read_back(&merged.table, &moved).is_empty());
}

#[test]
fn table_that_another_host_may_not_send_is_refused() {
    let says = |change: fn(&mut Table)| {
        let mut table = own(2, &["web", "git"]).table;
        change(&mut table);
        check(table, 2, &config(1)).map(drop).unwrap_err()
    };
    assert_eq!(check(own(2, &["web"]).table, 2, &config(1)), Ok(own(2, &["web"]).table));
    assert!(
        check(own(3, &[]).table, 2, &config(1)).unwrap_err().contains("number 3 and subnet 10.87.3.0/24")
    );
    let outside = says(|table| table.routes[1].endpoints[0].address = "10.87.1.2".parse().unwrap());
    assert_eq!(outside, "route git leads to 10.87.1.2:80, which is outside 10.87.2.0/24");
    assert!(says(|table| table.host.subnet = "10.87.0.0/16".parse().unwrap()).contains("10.87.0.0/16"));
    assert!(says(|table| table.routes[1].name = table.routes[0].name.clone()).contains("duplicate"));
    assert!(says(|table| table.routes[0].name = ContainerName::parse("x").unwrap()).contains("named after"));
    assert!(says(|table| table.routes[0].endpoints.clear()).contains("named after"));
    assert!(says(|table| table.routes[0].host = Some(1)).contains("named after"));
    assert!(says(|table| table.routes[0].endpoints[0].id = "xyz".to_owned()).contains("invalid ID"));
    assert!(says(|table| table.routes[0].endpoints[0].since = "today".to_owned()).contains("invalid time"));
    assert!(says(|table| table.routes[0].health.as_mut().unwrap().interval = 0).contains("health check"));
    assert!(says(|table| table.unrouted[0].why = "\x1b[2J".to_owned()).contains("plain text"));
    assert!(says(|table| table.unrouted[0].why.clear()).contains("plain text"));
    assert!(says(|table| table.unrouted[0].address = Some("10.87.1.9".parse().unwrap())).contains("outside"));
    assert!(says(|table| table.unrouted[0].host = Some(1)).contains("outside"));
    assert!(says(|table| table.version = 2).contains("version 2"));
    let others = merged(own(3, &[]), &others(&[(2, &[])]), &config(3)).table.hosts;
    let mut table = own(2, &[]).table;
    table.hosts = others;
    assert!(check(table, 2, &config(1)).unwrap_err().contains("other hosts"));
}

#[test]
fn names_that_are_cut_alike_are_counted_on() {
    let long: Vec<String> =
        (0..8000).map(|number| format!("{}{number:04}", "a".repeat(LONGEST_NAME - 4))).collect();
    let long: Vec<&str> = long.iter().map(String::as_str).collect();
    let Draft { table, .. } = merged(own(1, &[]), &others(&[(2, &long)]), &config(1));
    let unique: std::collections::BTreeSet<&str> = names(&table).into_iter().collect();
    assert_eq!(unique.len(), long.len());
    assert!(unique.iter().all(|name| name.len() <= LONGEST_NAME && name.contains(".h2")));
}

#[test]
fn other_hosts_do_not_get_names_of_the_gateway() {
    let Draft { table, conflicts } = merged(own(1, &[]), &others(&[(2, &["portal", "web"])]), &config(1));
    assert_eq!(names(&table), ["web.h2"]);
    assert_eq!(conflicts, ["portal of host 2 claims portal.flatnet.internal, which is the gateway's own"]);
}

#[test]
fn users_route_gives_way_to_roots_on_any_host() {
    let of_user = |mut draft: Draft, index: usize, user: &str| {
        let route = &mut draft.table.routes[index];
        route.user = Some(user.parse().unwrap());
        route.endpoints[0].id = "0123456789ab000003e9".to_owned();
        draft
    };
    let first = of_user(of_user(own(1, &["git", "shop", "x"]), 0, "alice"), 1, "alice");
    let third = of_user(own(3, &["shop"]), 0, "alice");
    let all = [(1, first), (3, third)].map(|(number, draft)| {
        let table = check(draft.table, number, &config(2)).unwrap();
        (number, Other::new(table, "2026-11-30T10:00:00Z".to_owned()))
    });
    let merged = merged(own(2, &["git"]), &all.into(), &config(2));
    assert_eq!(names(&merged.table), ["shop.h1", "x.h1", "git"]);
    assert_eq!(
        merged.conflicts,
        [
            "git of host 1 has no route: git.flatnet.internal belongs to root's container git of host 2: set another flatnet.host",
            "shop of host 3 has no route: shop.flatnet.internal belongs to shop of host 1: set another flatnet.host",
        ]
    );
}
