//! Hosts find one another again after what happens to hosts, lighthouses and the network between them, and nothing leaves the overlay
//! meanwhile.

use serde_json::json;

use crate::overlay::Lan;
use crate::soak;

/// What happens: scripts that do it, and undo it if it would not end by itself.
const EVENTS: &[&str] = &[
    // Nebula is killed.
    "kill -9 $(cat /hosts/h2/nebula.pid); until ! on h2 ip link show flatnet-ov0; do sleep 0.05; done; nebula_on h2",
    // The host gets another address.
    "old=$(ip -n h2 -4 -o addr show dev eth0 | awk '{ print $4 }'); new=192.0.2.112/24
         [[ $old != \"$new\" ]] || new=192.0.2.12/24
         ip -n h2 addr del $old dev eth0; ip -n h2 addr add $new dev eth0; ip -n h2 route replace default via 192.0.2.1",
    // The lighthouse is restarted.
    "pkill -f 'nebul[a] -config nebula.yml'; sleep 1; lighthouse /lights l1",
    // A host is restarted while there is no lighthouse.
    "pkill -f 'nebul[a] -config nebula.yml'; kill $(cat /hosts/h1/nebula.pid); until ! on h1 ip link show flatnet-ov0; do sleep 0.05; done
         nebula_on h1; sleep 1; lighthouse /lights l1",
    // The network between them is interrupted, until the tunnel is given up.
    "ip -n h2 link set eth0 down; sleep 6; ip -n h2 link set eth0 up; ip -n h2 route replace default via 192.0.2.1",
    // Nebula reads its files again.
    "kill -HUP $(cat /hosts/h1/nebula.pid) $(cat /hosts/h2/nebula.pid)",
];
/// How long hosts may take to find one another again. Seconds.
const LONGEST: u32 = 90;

#[test]
fn hosts_find_one_another_again() {
    let lan = Lan::joined(&["h1", "h2"]);
    let ping = "ip netns exec c1 ping -q -c 1 -W 1 -p 466c61746e6574 10.87.2.2";
    lan.eventually(ping);
    // What leaves host 1 beside the tunnel: packets of the overlay, and what can be read.
    lan.sh("tcpdump -nn -l -i up-h1 net 10.86.0.0/15 >/tmp/leaked 2>/dev/null &
         tcpdump -nn -l -A -i up-h1 2>/dev/null | grep -a --line-buffered Flatnet >/tmp/readable &
         ip netns exec c1 ping -q -i 0.05 -p 466c61746e6574 10.87.2.2 >/dev/null 2>&1 &")
        .succeeds();
    let (runs, seed) = (soak::count(2), soak::seed());
    let mut seconds: Vec<f64> = Vec::new();
    for run in 0..runs {
        // Another order in each round.
        let script = EVENTS[(run + usize::try_from(seed).unwrap_or(0) * 7) % EVENTS.len()];
        lan.sh(&format!("{{ {script}\n}} >/dev/null 2>&1")).succeeds();
        let start = std::time::Instant::now();
        lan.sh(&format!("until {ping}; do sleep 0.05; ((SECONDS < {LONGEST})) || exit 1; done")).succeeds();
        seconds.push(start.elapsed().as_secs_f64());
    }
    let count =
        |file: &str| lan.sh(&format!("wc -l <{file}")).succeeds().stdout.trim().parse::<usize>().unwrap();
    let left_behind = count("/tmp/leaked") + count("/tmp/readable");
    soak::report(runs, left_behind, &json!({"seconds until traffic flows": seconds}));
    assert_eq!(left_behind, 0, "packets beside the tunnel, or readable ones");
    // The control: what these see if there is no tunnel.
    lan.sh("ip -n stranger route add 10.87.1.0/24 via 192.0.2.11; ip netns exec stranger ping -q -c 1 -W 1 -p 466c61746e6574 10.87.1.2 || true").succeeds();
    lan.eventually("[[ -s /tmp/leaked && -s /tmp/readable ]]");
}
