//! A browser in the LAN opens the portal and three services by name.

use serde_json::json;

use crate::browser::{browse, lan};

#[test]
fn lan_browser_uses_app_forge_and_database() {
    let lab = lan("services", &["app", "forge", "adminer", "postgres"]);
    for name in ["app", "forge", "adminer"] {
        lab.start_container(name, &format!("flatnet-test/{name}"));
    }
    lab.start_container("db", "flatnet-test/postgres");
    lab.sh("podman exec forge sh -c 'cd /srv/git && git init -q --bare -b main demo.git && cd demo.git &&
        echo hello | git hash-object -w --stdin >/tmp/blob &&
        tree=$(printf \"100644 blob $(cat /tmp/blob)\\treadme\\n\" | git mktree) &&
        git -c user.name=Ada -c user.email=ada@example.org commit-tree -m \"The first commit of demo\" $tree >refs/heads/main'")
        .succeeds();
    let sql =
        "create table guests (id int primary key, name text); insert into guests values (1, 'Ada Lovelace')";
    lab.sandbox.eventually(&format!("podman exec db psql -U postgres -c \"{sql}\""));
    lab.becomes(&[
        "app.flatnet.internal / app:80 running",
        "forge.flatnet.internal / forge:80 running",
        "adminer.flatnet.internal / adminer:80 running",
        "db: its port 5432 does not answer HTTP",
    ]);
    browse(&lab.sandbox, "services", &json!({"database": lab.address("db")}));
}
