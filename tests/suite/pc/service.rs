//! The gateway as a service.

use super::{has, pc};

#[test]
fn service_has_own_account_and_can_be_reinstalled() {
    let Some(pc) = pc() else { return };
    let install = "flat gateway install-service";
    let wrapper = "'/pc/c/Program Files/Flatnet/flatnet-gateway.exe'";
    // After an nginx that was started by hand, which occupies the port.
    let said = pc.ps(&format!(
        "flat up\nMove-Item {wrapper} /pc/wrapper\n{install}\nMove-Item /pc/wrapper {wrapper}\n{install}\n{install}\nflat gateway reload\nflat status"
    ));
    has(
        &said,
        &[
            "error: /pc/c/Program Files/Flatnet/flatnet-gateway.exe does not exist",
            "help: as administrator, copy WinSW's executable to",
        ],
    );
    assert_eq!(said.matches("exit 0").count(), 5, "{said}");
    let done = pc.done();
    has(
        &done,
        &[
            "wrapper install",
            "sc config FlatnetGateway obj= NT SERVICE\\FlatnetGateway",
            "sc privs FlatnetGateway SeChangeNotifyPrivilege",
            "elevated Start-Service",
            "elevated Stop-Service",
            "icacls C:\\flatnet\\gateway\\logs /grant NT SERVICE\\FlatnetGateway:(OI)(CI)M /Q",
            "icacls C:\\flatnet\\gateway /grant NT SERVICE\\FlatnetGateway:(OI)(CI)RX /Q",
        ],
    );
    // WSL2 may replace its folders with links, so permissions there are not changed elevated.
    assert!(!done.contains("elevated icacls") && done.matches("wrapper install").count() == 1, "{done}");
    has(
        &pc.sandbox.read("/pc/c/Program Files/Flatnet/flatnet-gateway.xml"),
        &["<executable>C:\\Program Files\\OpenResty\\nginx.exe</executable>", "-p C:/flatnet/gateway"],
    );
    pc.nothing_of_others_was_elevated();

    let said = pc.ps("flat down\nflat gateway remove-service\nflat gateway remove-service");
    assert_eq!(said.matches("exit 0").count(), 3, "{said}");
    has(&said, &["the service does not exist"]);
    has(&pc.done(), &["elevated Stop-Service", "sc delete FlatnetGateway"]);
    assert_eq!(pc.left(), "");

    // A service whose setup fails would run as LocalSystem: it is removed, and an existing one is not started.
    for (wrapper, step) in [("WinSW", "config"), ("NSSM", "privs")] {
        pc.sandbox.write("/pc/state/fail", &format!("sc {step}"));
        let said = pc.ps(&format!("flat gateway install-service -Wrapper {wrapper}"));
        has(&said, &["install_service: ", "exited with 5: Access is denied.", "exit 2"]);
        has(&pc.done(), &["wrapper install", "sc delete FlatnetGateway"]);
        pc.sh("[ ! -e /pc/state/service ]").succeeds();
    }
    pc.sh("rm /pc/state/fail; echo Stopped >/pc/state/service; rm -f /pc/state/account").succeeds();
    let said = pc.ps("flat gateway start");
    has(&said, &["start_service: refused: the service FlatnetGateway runs as 'LocalSystem'", "exit 2"]);
    assert!(!pc.done().contains("Start-Service"));
}
