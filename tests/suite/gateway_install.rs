//! `flatnet gateway install`: its files, how it treats edited ones, and that nginx accepts them.

use crate::routes::GATEWAY;
use crate::sandbox::Sandbox;

fn host() -> Sandbox {
    let sandbox = Sandbox::podman4().start();
    sandbox.sh("flatnet init").succeeds();
    sandbox
}

#[test]
fn gateway_install_keeps_edited_files() {
    let sandbox = host();
    let first = sandbox.sh("umask 077; flatnet gateway install").prints("/conf/nginx.conf\n").stdout;
    assert!(
        first.lines().take_while(|line| !line.is_empty()).all(|line| line.starts_with("written     ")),
        "{first}"
    );
    assert!(
        first.contains("\nNext:\n") && first.contains(&format!("nginx -t -p {GATEWAY} -c conf/nginx.conf")),
        "{first}"
    );
    let again = sandbox.sh("flatnet gateway install").succeeds().stdout;
    assert!(again.contains(" files are unchanged\n") && !again.contains("written"), "{again}");
    sandbox.sh(&format!("cd {GATEWAY}; echo '# mine' >>conf/proxy.conf; echo '# mine' >conf/local.d/mine.conf; rm html/style.css")).succeeds();
    sandbox
        .sh("flatnet gateway install")
        .prints(&format!("kept        {GATEWAY}/conf/proxy.conf (edited; use --force to overwrite it)\nwritten     {GATEWAY}/html/style.css\n"));
    // A change of the configuration changes the files that were not edited.
    sandbox.sh("sed -i 's/^  listen: 80$/  listen: 8080/' /etc/flatnet/flatnet.yaml").succeeds();
    sandbox
        .sh("flatnet gateway install")
        .prints(&format!("updated     {GATEWAY}/conf/conf.d/servers.conf\n"));
    sandbox.sh("flatnet gateway install --force --json | jq -r '.files[] | select(.outcome == \"updated\") | .path'").prints_exactly(&format!("{GATEWAY}/conf/proxy.conf"));
    sandbox.sh(&format!("cat {GATEWAY}/conf/local.d/mine.conf")).prints_exactly("# mine");
}

#[test]
fn workers_can_write_only_their_state() {
    let sandbox = host();
    sandbox.sh("umask 077; flatnet gateway install").succeeds();
    let worker = "setpriv --reuid www-data --regid www-data --clear-groups";
    sandbox
        .sh(&format!("{worker} cat {GATEWAY}/lua/flatnet/init.lua {GATEWAY}/html/portal.html >/dev/null"))
        .succeeds();
    sandbox.sh(&format!("{worker} touch {GATEWAY}/state/x")).succeeds();
    for folder in ["conf", "conf/local.d", "lua", "html", "logs"] {
        sandbox.sh(&format!("{worker} touch {GATEWAY}/{folder}/x")).complains("Permission denied");
    }
    sandbox
        .sh(&format!("setpriv --reuid nobody --clear-groups ls {GATEWAY}/state"))
        .complains("Permission denied");
}

#[test]
fn nginx_accepts_every_installed_variant() {
    let sandbox = host();
    sandbox.sh("openssl req -x509 -newkey rsa:2048 -nodes -keyout /etc/gateway.key -out /etc/gateway.pem -days 1 -subj /CN=gateway").succeeds();
    let tls = "tls: {certificate: /etc/gateway.pem, key: /etc/gateway.key";
    for (number, section) in [
        "{}".to_owned(),
        "{listen: 8080, domains: [corp.example], allow: [127.0.0.1/32]}".to_owned(),
        format!("{{{tls}}}}}"),
        format!("{{{tls}, listen: 8443, redirect: true}}}}"),
    ]
    .iter()
    .enumerate()
    {
        sandbox.write("/tmp/f.yaml", &format!("gateway: {section}\n"));
        let directory = format!("/srv/gateway{number}");
        sandbox
            .sh(&format!("flatnet --config /tmp/f.yaml gateway install {directory} && nginx -t -p {directory} -c conf/nginx.conf"))
            .succeeds();
    }
    sandbox.sh("nginx -t -p /srv/gateway0 -c conf/nginx.conf; sed -i 's/listen 80 /listne 80 /' /srv/gateway0/conf/conf.d/servers.conf; nginx -t -p /srv/gateway0 -c conf/nginx.conf").complains("listne");
}

#[test]
fn directory_on_windows_drive_is_for_openresty() {
    let sandbox = host();
    let said = sandbox.sh("flatnet gateway install /mnt/c/flatnet/gateway").succeeds();
    assert!(
        said.stdout.contains("openresty\\nginx.exe -t -p C:/flatnet/gateway -c conf/nginx.conf"),
        "{said}"
    );
    assert!(
        said.stderr.contains(
            "write in section gateway of /etc/flatnet/flatnet.yaml: `directory: /mnt/c/flatnet/gateway`"
        ),
        "{said}"
    );
    sandbox.sh("cat /mnt/c/flatnet/gateway/conf/nginx.conf").prints("worker_processes 1;");
    sandbox
        .sh("flatnet gateway install /mnt/c/other --platform linux; cat /mnt/c/other/conf/nginx.conf")
        .prints("load_module");
    sandbox.sh("flatnet gateway install --platform macos").complains("possible values: linux, windows");
}

#[test]
fn address_as_gateway_suggests_bridge_address() {
    let sandbox = host();
    sandbox
        .sh("echo 'gateway: 10.87.1.1' >/etc/flatnet/flatnet.yaml; flatnet config check")
        .complains("/etc/flatnet/flatnet.yaml:1:10: gateway: `gateway` is the section of the HTTP gateway; for the bridge's address write `bridge_address: 10.87.1.1`");
}
