//! The table of all errors, and the only place that describes them. The message itself is made where the error is returned:
//! search for its `Kind::`.
//!
//! In `seen`, `..` stands for text that varies. `remedy` is the default end of a message; the code that fails may give a
//! better one.

use super::kind::kinds;

kinds! {
    Version = "FLAT-E001", cni 1 {
        title: "The CNI version is not supported",
        seen: [
            "cniVersion \"..\" is not supported",
            ".. requires CNI .., but the network's cniVersion is ..",
        ],
        means: "The conflist names a version of the CNI specification that Flatnet does not support, or the runtime \
                called a command that this version does not have (CHECK came with 0.4.0, GC and STATUS with 1.1.0).",
        remedy: "Delete the conflist, then run `flatnet init`",
        more: "`flatnet init` writes version 1.0.0, the highest that Podman 4 reads. For other runtimes you can write a \
               conflist with 1.1.0.",
    }
    Unsupported = "FLAT-E002", cni 2 {
        title: "The request is not supported",
        seen: [
            ".. addresses requested .., but Flatnet assigns one",
            "a port cannot be published at \"..\"",
            "\"..\" is not an IPv4 address",
            ".. is not supported",
        ],
        means: "A container has one IPv4 address on a network and, with `ipv6` in the configuration, the IPv6 address that \
                belongs to it. Without, IPv6 addresses, and ports published at IPv6 addresses, are not supported; a port at ::1 \
                never is. A network is configured in the configuration file, not by options of `podman network create`.",
        remedy: "Request one address; without `ipv6` an IPv4 address, and publish ports at an IPv4 address of this host or at \
                 none; write other settings into the configuration",
        more: "`podman run --ip 10.87.1.20 -p 8080:80 ..` is supported.",
    }
    UnknownContainer = "FLAT-E003", cni 3 {
        title: "No such container is attached",
        seen: ["container .. is not attached to ..", "no container \"..\" is attached to .."],
        means: "There is no receipt for that container: it was never attached, it was detached, or the state directory \
                was emptied.",
        remedy: "Run `flatnet ps --all`, which lists names, IDs and addresses",
        commands: ["flatnet ps --all"],
        more: "A running container that is not listed has no working network: restart it (`podman restart NAME`).",
    }
    Ambiguous = "FLAT-E004", cni 3 {
        title: "The name or ID matches several containers",
        seen: ["\"..\" is ambiguous; it matches ..: .."],
        means: "The argument is the beginning of several IDs, or an alias of several containers.",
        remedy: "Give the address, or more of the ID",
        more: "`flatnet ps` lists names, IDs and addresses.",
    }
    Environment = "FLAT-E005", cni 4 {
        title: "The runtime's environment or arguments are invalid",
        seen: [
            ".. must be set",
            ".. is not UTF-8",
            "CNI_COMMAND \"..\" is invalid; expected ..",
            "CNI_ARGS: ..",
            "CNI_CONTAINERID: ..",
            "CNI_IFNAME: ..",
            "CNI_NETNS: ..",
            "expected `create`, ..",
        ],
        means: "A runtime calls Flatnet with `CNI_*` variables or netavark's commands, and one of them is missing, \
                malformed or unknown. You see this only if you call the plugin by hand, or use an unusual runtime.",
        remedy: "Call the plugin as the CNI specification or netavark's plugin API says",
        more: "<https://www.cni.dev/docs/spec/>, <https://github.com/containers/netavark/blob/main/plugin-API.md>. To \
               see what would be done for a container, use `flatnet plan add NAME` instead.",
    }
    Decode = "FLAT-E006", cni 6 {
        title: "The runtime's input cannot be read",
        seen: [
            "standard input ..",
            "the network configuration on standard input ..",
            "the network configuration's field .. is not a string",
            "runtimeConfig.. cannot be read",
            "cni.dev/valid-attachments cannot be read",
            "prevResult..",
        ],
        means: "Standard input is not the JSON that the protocol requires, or a field has the wrong type.",
        remedy: "Check the conflist with `jq . /etc/cni/net.d/flatnet.conflist`; if it is damaged, delete it and run \
                 `flatnet init`",
        more: "The message names the field. `runtimeConfig` comes from the runtime, so the runtime's version matters: \
               `podman version`.",
    }
    BadValue = "FLAT-E007", cni 6 {
        title: "A name, address or port is not valid",
        seen: [
            "\"..\" is not a valid ..: ..",
            "host port .. is published to container port 0",
            "a range of .. ports from .. exceeds 65535",
        ],
        means: "A value that Flatnet would pass to `ip` or `nft` does not have the required form. Nothing was run.",
        remedy: "Give a value of the form that the message shows",
        more: "Names of containers, networks and interfaces hold letters, digits, `.`, `_` and `-`. An interface's name \
               has at most 15 characters.",
    }
    ConfigMissing = "FLAT-E011", cni 7 {
        title: "The configuration is missing",
        seen: ["there is no configuration at .."],
        means: "Flatnet reads `/etc/flatnet/flatnet.yaml`, or the file that `--config` or the conflist's `config` names. \
                That file does not exist. An empty file is a valid configuration.",
        remedy: "Run `flatnet init` to write one",
        commands: ["flatnet init"],
        more: "`flatnet init` does not overwrite existing files. Run `flatnet up` next.",
    }
    ConfigSyntax = "FLAT-E012", cni 7 {
        title: "The configuration is not valid YAML",
        seen: ["..yaml..: .."],
        means: "The file is not YAML, or has an unknown field or a value of the wrong type. The message names file, line \
                and column.",
        remedy: "Fix the file; `flatnet config schema` lists every field, `flatnet config check` checks the file",
        more: "Attached containers keep working and can be detached. No container can be attached until the file is fixed.",
    }
    ConfigValue = "FLAT-E013", cni 7 {
        title: "A value of the configuration is invalid",
        seen: ["..yaml..: ..: .."],
        means: "The file is valid YAML, but a value is out of range or contradicts another one. The message names file, \
                line, field and value.",
        remedy: "Fix the value; `flatnet config check` checks the file",
        more: "`flatnet plan` shows what `flatnet up` would change.",
    }
    ConfigUnsafe = "FLAT-E014", cni 7 {
        title: "The configuration is writable by others, or is not a regular file",
        seen: [".. is writable by users other than root ..", "the configuration .. is not a regular file"],
        means: "Flatnet runs as root and does what this file says. A user who can write to the file could gain root, so \
                Flatnet does not read it.",
        remedy: "Run `chown root:root FILE; chmod 644 FILE`",
        more: "First check its contents: run `flatnet config check FILE` as an ordinary user.",
    }
    NetworkName = "FLAT-E015", cni 7 {
        title: "Runtime and configuration use different network names",
        seen: [
            "network name mismatch: \"..\" from the runtime, .. in ..",
            ".. configures network .., not \"..\"",
        ],
        means: "`name` in the conflist, or the name given to `podman network create`, differs from `network` in the \
                configuration.",
        remedy: "Use the same name in both; to regenerate the conflist, delete it and run `flatnet init`",
        more: "With Podman 5: `podman network rm NAME`, then `podman network create -d flatnet NAME` with the name in \
               the configuration. A second network needs its own configuration: `-o config=/etc/flatnet/second.yaml`.",
    }
    Conflist = "FLAT-E016", cni 7 {
        title: "The conflist or the runtime's request lacks a field",
        seen: [
            "the network configuration has no field ..",
            "config: \"..\" is not an absolute path ..",
            "CHECK requires the field prevResult..",
        ],
        means: "A required field is missing or invalid: `name`, `config`, for CHECK `prevResult`, for GC \
                `cni.dev/valid-attachments`. Without the last one GC would remove every container.",
        remedy: "Delete the conflist, then run `flatnet init`",
        more: "`prevResult` and `cni.dev/valid-attachments` come from the runtime. If you call the plugin by hand, pass \
               them.",
    }
    NoUplink = "FLAT-E017", cni 7 {
        title: "The configured uplink does not exist",
        seen: ["uplink: there is no interface .."],
        means: "`uplink` in the configuration names an interface that this host does not have.",
        remedy: "Write `uplink: auto` in the configuration, or an interface that `ip link` lists",
        more: "`auto` uses the interface of the default route, and its MTU.",
    }
    NotAllowed = "FLAT-E021", cni 102 {
        title: "Flatnet does not run as root",
        seen: ["cannot .. ..: Permission denied..", "cannot .. ..: Operation not permitted..", "this process is root in a user namespace only.."],
        means: "Flatnet changes the host's network and keeps its state in directories that only root may enter. Rootless \
                Podman calls it as an ordinary user, and then it asks a service of root's, if root has allowed it. Root itself is refused if a file is immutable (`lsattr`) or guarded \
                by a security module (`journalctl -k | grep -i denied`).",
        remedy: "Use sudo; for rootless Podman, run `flatnet init --rootless USER` as root once",
        more: "`sudo podman run --network flatnet ..`",
    }
    NoCapability = "FLAT-E022", cni 102 {
        title: "Root may not change the network here",
        seen: ["..Operation not permitted..", "this process may not enter .."],
        means: "The kernel refused a change although root requested it. Either a capability is missing, as in a container \
                or a restricted systemd unit, or root is root in a user namespace only, as under rootless Podman.",
        remedy: "Run it as root with CAP_NET_ADMIN and CAP_SYS_ADMIN in the initial user namespace; for rootless Podman, run \
                 `flatnet init --rootless USER` as root once",
        more: "`grep Cap /proc/self/status`, `capsh --decode=..` and `cat /proc/self/uid_map` show what this process may \
               do.",
    }
    UserRefused = "FLAT-E023", cni 102 {
        title: "The user may not do that",
        seen: [
            "user .. may not attach containers to ..",
            "address .. is not among those that user .. may request",
            "the network namespace .. does not belong to user ..",
            "a user cannot attach a container by the path ..",
        ],
        means: "A user's rootless Podman asked for something that root has not allowed: the user is not in the section \
                `rootless` of the configuration, the address given by --ip is not in the user's list, or the network \
                namespace is not one of the user's containers.",
        remedy: "As root, run `flatnet init --rootless USER`, or extend `rootless.users` in the configuration",
        more: "`grep -A9 ^rootless /etc/flatnet/flatnet.yaml` shows what each user may have.",
    }
    Quota = "FLAT-E024", cni 100 {
        title: "The user has as many containers as allowed",
        seen: ["user .. has .. containers attached, which is as many as allowed"],
        means: "Root allows each user a number of containers on the network at once: `rootless.users.NAME.addresses` in the \
                configuration, 16 by default.",
        remedy: "Remove a container, or ask root to raise `rootless.users.NAME.addresses` in the configuration",
        more: "`flatnet ps --user NAME` lists the user's containers. `flatnet gc` frees what ended without a word.",
    }
    NoService = "FLAT-E025", cni 102 {
        title: "The service for rootless Podman does not answer",
        seen: [
            "the service for rootless Podman at .. cannot be reached",
            "the service for rootless Podman ended without an answer",
            "the service for rootless Podman sent ..",
        ],
        means: "Rootless Podman cannot change this host's network, and asks a service of root's for it through a socket. The \
                socket is missing, this user may not open it (a new member of the group `flatnet` has to log in again), or \
                the service failed.",
        remedy: "Log out and in again if `id` does not list the group flatnet; else, as root, run `systemctl status \
                 flatnet-serve.socket` and `flatnet doctor`",
        more: "`journalctl -u 'flatnet-serve@*'` shows what the service said.",
    }
    Netns = "FLAT-E031", cni 8 {
        title: "The container's network namespace is gone",
        seen: [
            "cannot open the network namespace ..",
            "cannot stat ..",
            "cannot enter ..",
        ],
        means: "The runtime named a path that is not there. Usually the container exited while it was being started.",
        remedy: "Find out why the container exited (`podman logs NAME`) and start it again; `ls -l /run/netns` lists the \
                 namespaces",
        more: "After a reboot, or after `/run` was emptied, Podman creates new namespaces when containers start.",
    }
    NotANetns = "FLAT-E032", cni 8 {
        title: "The path is not a network namespace",
        seen: [
            ".. is not a network namespace",
            ".. is a namespace, but not a network namespace",
        ],
        means: "The path that the runtime named exists, but is not a network namespace.",
        remedy: "Create one with `ip netns add NAME`, whose path is /run/netns/NAME, or use /proc/PID/ns/net",
        more: "You see this only if you call the plugin by hand.",
    }
    OwnNetns = "FLAT-E033", cni 8 {
        title: "The namespace is the host's own",
        seen: [".. is this host's own network namespace"],
        means: "The container shares the host's network, so there is nothing to attach.",
        remedy: "Run the container without `--network host`",
        more: "A container uses either `--network host` or `--network flatnet`.",
    }
    NetnsHidden = "FLAT-E034", cni 107 {
        title: "Containers' network namespaces are not visible from here",
        seen: [
            "the network namespace of container .. is not visible from here: ..",
            "systemd and Podman's containers run in namespaces of their own..",
        ],
        means: "The container is running, since its link has a peer. But no file in this mount namespace names its \
                network namespace, and no process of it is visible: the runtime has its own mount namespace, as in `podman \
                machine` or a unit with `PrivateMounts=`. `flatnet init` refuses outside of the namespaces of such a systemd.",
        remedy: "Run this command in the runtime's mount namespace: `nsenter --mount --target PID flatnet ..`, with the \
                 PID of one of its processes",
        more: "From Windows, `podman machine ssh` leads there. The container keeps its address. `ip -d link show type veth` shows its link; `link-netnsid` refers to the \
               peer.",
    }
    Exhausted = "FLAT-E041", cni 100 {
        title: "No address is left",
        seen: ["all .. addresses from .. to .. are held: .."],
        means: "Every address of the pool is held by a running container, or by a dead one that could not be detached.",
        remedy: "Remove a container, free leftover addresses with `flatnet gc`, or widen `allocate` and `subnet` in the \
                 configuration",
        more: "Before you change `subnet`, run `flatnet down --force`, which cuts off containers; then run `flatnet up` \
               and restart them.",
    }
    AddressTaken = "FLAT-E042", cni 101 {
        title: "The requested address is in use",
        seen: ["address .. is held by .."],
        means: "`--ip` named an address that a running container holds. The message names the container.",
        remedy: "Stop that container, or request another address; `flatnet ps` lists them",
        more: "A stopped container holds nothing: its address is kept for it only until another container requests it.",
    }
    AddressRefused = "FLAT-E043", cni 101 {
        title: "The requested address cannot be assigned",
        seen: ["address .. is .."],
        means: "`--ip` named an address outside this host's subnet, or the network, broadcast, bridge or a reserved address.",
        remedy: "Request a free address of this host's subnet, or none",
        more: "`flatnet config check` shows `subnet`, `bridge_address` and `reserved`. Each host has its own subnet.",
    }
    MacTaken = "FLAT-E044", cni 101 {
        title: "The requested MAC address is in use",
        seen: ["MAC address .. is held by .."],
        means: "`--mac-address` named one that another container or the bridge has. With the same MAC they would receive \
                each other's frames.",
        remedy: "Request another one, or none",
        more: "Without `--mac-address` the MAC is derived from the address, and is just as unique.",
    }
    PortTaken = "FLAT-E045", cni 104 {
        title: "The host port is already published",
        seen: ["port .. is already published by .."],
        means: "A running container publishes that port at the same address of this host (0.0.0.0 is every address).",
        remedy: "Publish another port (`-p`), or remove that container; `flatnet ps --json` lists published ports",
        more: "`flatnet inspect NAME` shows the other container's ports. Ports of dead containers are freed \
               automatically. Podman 5 may notice first and print `cannot listen on the TCP port: .. address already in \
               use`, without a code.",
    }
    PortReserved = "FLAT-E046", cni 101 {
        title: "The host port is reserved for outgoing connections",
        seen: ["port .. is in masquerade_ports .., which is reserved for outgoing connections", "port .. is reserved for VXLAN, which carries packets between hosts here"],
        means: "Connections that containers open to the outside get source ports of `masquerade_ports`. A port published \
                there could be used by another container's connection, which would receive packets meant for the \
                publishing container. UDP port 4789 belongs to VXLAN on a host that has joined others by it.",
        remedy: "Publish a port outside of it (`-p`), or change `masquerade_ports` in the configuration and run `flatnet up`",
        more: "`flatnet config check` prints the range. It should not overlap the local ports of this host's own \
               programs (`sysctl net.ipv4.ip_local_port_range`).",
    }
    ForeignBridge = "FLAT-E051", cni 104 {
        title: "The bridge's name is in use",
        seen: [
            "the link .. does not belong to Flatnet (..; expected alias ..)",
            "the link .. does not belong to Flatnet (..; expected vxlan)",
        ],
        means: "A link has the name that `bridge` in the configuration sets, but not Flatnet's alias; or with \
                `overlay.kind: vxlan`, a link that is no VXLAN has the name of `overlay.interface`. It may belong to another program or person, so \
                Flatnet does not touch it.",
        remedy: "Set another `bridge` in the configuration, or delete the link if it is not needed",
        more: "`ip -d addr show dev flatnet-br0` shows what it is, `bridge link` its ports.",
    }
    BridgeAddress = "FLAT-E052", cni 104 {
        title: "The bridge has another address",
        seen: ["the bridge .. has the address .., not .."],
        means: "The bridge is Flatnet's, but its address is not the configured one: the configuration was changed while \
                containers were attached, or the bridge was changed by hand.",
        remedy: "If you changed `subnet` or `bridge_address`, run `flatnet down --force` with the old configuration first; else delete the address",
        more: "`flatnet down --force` cuts off the attached containers; restart them after `flatnet up`.",
    }
    BridgeFull = "FLAT-E053", cni 104 {
        title: "The bridge has no free port",
        seen: ["..Exchange full..", "..Exfull.."],
        means: "The kernel allows at most 1023 ports on a bridge, and this bridge has that many.",
        remedy: "A bridge has at most 1023 ports: remove containers, or add a second network on this host",
        more: "`bridge link | grep -c flatnet-br0` counts them. A second network has another `network`, `bridge` and \
               `subnet`: `flatnet init --config /etc/flatnet/second.yaml`.",
    }
    ForeignLink = "FLAT-E054", cni 104 {
        title: "The name of the container's host link is in use",
        seen: ["the link .. already exists and does not belong to Flatnet"],
        means: "The host's end of a container's veth pair is named by a hash. A link has that name, but not Flatnet's \
                alias: it was created, renamed or re-aliased by hand.",
        remedy: "Inspect it with `ip -d link show dev LINK`, then rename or delete it",
        more: "If it is not needed: `ip link del dev LINK`.",
    }
    InterfaceExists = "FLAT-E055", cni 104 {
        title: "The container already has an interface of that name",
        seen: ["interface .. already exists in .. and is not Flatnet's"],
        means: "Another network, or a person, created an interface of that name in the container's namespace.",
        remedy: "Give this network another interface name, or remove that interface",
        more: "`podman run --network flatnet:interface_name=eth1 ..`; `ip netns exec NAME ip -br link` lists the \
               interfaces.",
    }
    ContainersAttached = "FLAT-E056", cni 104 {
        title: "Containers are attached",
        seen: [".. attached: .."],
        means: "`flatnet down` would cut off running containers.",
        remedy: "Stop them first, or cut them off with `flatnet down --force`",
        more: "To attach them again, run `flatnet up` and restart them.",
    }
    DirectoryInTheWay = "FLAT-E057", cni 104 {
        title: "A directory is in place of a file",
        seen: [
            ".. is a directory, not a file",
        ],
        means: "`flatnet init` found a directory at the path of a file that it writes.",
        remedy: "Check what it is, then move it away",
        more: "A container started with `-v FILE:..` before the file existed leaves such a directory.",
    }
    AnotherFlatnet = "FLAT-E058", cni 104 {
        title: "The bridge or the ruleset belongs to another Flatnet",
        seen: [".. belongs to another Flatnet, .., in the same network namespace"],
        means: "All WSL2 distributions share one network, and another distribution has a Flatnet with the same names. Its \
                bridge and ruleset bear its owner mark, a name and a random number. This Flatnet does not touch them. You \
                see the same if the state directory was lost while containers were running.",
        remedy: "Give this one another `network`, `bridge` and `subnet` in the configuration",
        more: "`ip link show dev flatnet-br0` shows the owner mark in the bridge's alias; this Flatnet's own is in \
               `/var/lib/flatnet/flatnet/owner`. If the other one is gone, run `ip link del flatnet-br0` and `nft delete \
               table inet flatnet`.",
    }
    WindowsFolder = "FLAT-E059", cni 104 {
        title: "The folder on Windows cannot be used",
        seen: [
            "there is no folder of a user of Windows in ..", "there are folders of several users of Windows in ..",
            ".. is on no disk of Windows..", ".. has other characters than letters, digits, blanks and ..",
            ".. holds something that is not Flatnet's",
        ],
        means: "`flatnet windows install` writes scripts that Windows runs. Any user who can write to that folder \
                controls what they do. So it must be your own folder, on a Windows disk, and hold nothing else.",
        remedy: "Name a folder of your own: `flatnet windows install /mnt/c/Users/YOU/AppData/Local/flatnet-setup`",
        more: "Other users of this PC may write below `C:\\`, `C:\\Users\\Public` and `C:\\ProgramData`. If /mnt/c does \
               not exist, check `automount` in /etc/wsl.conf.",
    }
    ToolMissing = "FLAT-E061", cni 105 {
        title: "A program is missing",
        seen: ["the program .. is missing.."],
        means: "Flatnet runs `ip`, `bridge`, `nft`, `sysctl`, `conntrack`, `nsenter` and `unshare`. It looks for them in \
                /usr/sbin, /usr/bin, /sbin and /bin, or at the path that `tools` in the configuration sets.",
        remedy: "Run `apt-get install iproute2 nftables procps conntrack util-linux`",
        commands: ["apt-get install iproute2 nftables procps conntrack util-linux"],
        more: "`flatnet status` checks all of them.",
    }
    ToolUnsafe = "FLAT-E062", cni 105 {
        title: "A program is writable by users other than root",
        seen: [".. is not owned by root, or is writable by others .."],
        means: "Flatnet would run the program as root, and another user could replace it. Flatnet did not run it.",
        remedy: "Set another path in `tools` of the configuration, or run `chown root FILE; chmod 755 FILE`",
        more: "First check that it is the installed one: `dpkg --verify`.",
    }
    ToolTooOld = "FLAT-E063", cni 105 {
        title: "A program is too old",
        seen: ["..syntax error..", "..is unknown, try..", "..unknown option ..", "..is a garbage.."],
        means: "`nft` does not support the rules that Flatnet loads, or `ip` or another program does not support an option.",
        remedy: "This program is too old: Flatnet needs nft 1.0.6, iproute2 6.1 and util-linux 2.38 or later; upgrade its \
                 package",
        more: "Check with `nft --version` and `ip -V`; `flatnet doctor` compares all versions. `flatnet rules` prints \
               what nft was given.",
    }
    KernelLacks = "FLAT-E064", cni 105 {
        title: "The kernel lacks nftables support",
        seen: ["..Operation not supported.."],
        means: "`nft` accepted the rules, but the kernel does not support one of them.",
        remedy: "This kernel lacks a part of nftables that Flatnet needs; on WSL2 run `wsl --update`",
        more: "`uname -r` prints the kernel. Elsewhere use the distribution's kernel, with NF_TABLES, NF_TABLES_INET, \
               NF_TABLES_ARP and NFT_NAT.",
    }
    ToolOutput = "FLAT-E065", cni 105 {
        title: "A program's output cannot be parsed",
        seen: ["`..` printed unexpected output"],
        means: "Flatnet observes the host with `ip -j`, `bridge -j` and `nft -j`. One of them printed something other \
                than the expected JSON.",
        remedy: "Check what it prints with `-j`; Flatnet needs iproute2 6.1 and nft 1.0.6 or later, with JSON support",
        more: "`nft -j list tables | jq .`, `ip -j link | jq .`. An `nft` built without JSON support says so.",
    }
    ToolNotStarted = "FLAT-E066", cni 105 {
        title: "A program cannot be started",
        seen: ["cannot start .."],
        means: "The program exists, but the kernel did not start it: out of memory, too many processes, or not an \
                executable file.",
        remedy: "Run it by hand to see why; `free -m` and `ulimit -u` show the limits on memory and processes",
        more: "`dmesg | tail` shows whether the kernel killed processes because memory ran out.",
    }
    Command = "FLAT-E071", cni 106 {
        title: "A command failed",
        seen: ["`..` failed: `..` exited with .."],
        means: "`ip`, `bridge`, `nft` or `sysctl` failed. The message shows the command (of a batch, the line) and what \
                the program printed. Everything done before was rolled back.",
        remedy: "Run the failed command by hand; `journalctl -t flatnet -n 5` or /var/log/flatnet/flatnet.log shows every \
                 command that ran",
        more: "`flatnet plan` prints the commands for this host, `flatnet plan add NAME` those for a container; both can \
               be pasted. If the program says `File exists`, something may be left over: `flatnet repair` removes what is \
               Flatnet's own.",
    }
    CommandCrashed = "FLAT-E072", cni 106 {
        title: "A command was killed by a signal",
        seen: ["`..` failed: `..` was killed by signal .."],
        means: "The program crashed or was killed, so it is unknown how much it did. Flatnet observed the state again and \
                rolled it back.\n\nFor `nft` (signal 11, exit status 139 in a shell) the usual reason is that two versions \
                share this kernel's ruleset: what nft 1.1.2 or later wrote, in any table, makes nft 1.0.6 crash. All WSL2 \
                distributions share one ruleset, and so do containers with the host's network.",
        remedy: "Look for a crash in `dmesg | tail`, then reinstall its package; signal 9 may mean that memory ran out",
        more: "For `nft`: run `nft --version` in every WSL2 distribution (`wsl --list`), and upgrade all of them to the \
               same version with `apt-get install nftables`. Until then run `nft list ruleset` with the newer one to find \
               the table that another distribution's firewall or Podman wrote, and delete it with the newer nft: `nft \
               delete table FAMILY NAME`.",
    }
    CommandTimedOut = "FLAT-E073", cni 106 {
        title: "A command took too long",
        seen: ["`..` failed: `..` was killed after .. s.."],
        means: "The program did not exit within `limits.command_seconds` (10). It was killed, and what it did was rolled \
                back.",
        remedy: "See what it waits for with `ps -e -o pid,stat,wchan,args`, or raise limits.command_seconds in the \
                 configuration",
        more: "A program in state `D` waits for the kernel: `dmesg | tail`. On a busy host start fewer containers at once.",
    }
    NotUndone = "FLAT-E074", cni 106 {
        title: "Something could not be undone",
        seen: ["not everything could be undone: ..", "the link .. cannot be deleted: ..", "not everything could be freed: .."],
        means: "An undo command failed. The attachment stays recorded and its address stays held. The next ADD, `flatnet \
                gc` and the timer that runs it try again.",
        remedy: "Run `flatnet gc` to try again; the message shows the command to run by hand",
        commands: ["flatnet gc"],
        more: "`flatnet inspect NAME` prints all commands that undo an attachment.",
    }
    Io = "FLAT-E081", cni 5 {
        title: "A file cannot be read or written",
        seen: ["cannot .. ..: ..", ".. was removed right after it was created", "standard input cannot be read..", "the answer cannot be read.."],
        means: "A file operation failed, for the reason that the message gives.",
        remedy: "Fix what the message names; `dmesg | tail` shows disk errors",
        more: "State is in /var/lib/flatnet, locks are in /run/flatnet, unless `paths` in the configuration sets other \
               directories.",
    }
    DiskFull = "FLAT-E082", cni 5 {
        title: "The disk is full",
        seen: ["cannot .. ..: No space left on device..", "cannot .. ..: Disk quota exceeded.."],
        means: "There is no space, or no inode, for a state file. No container can be attached; detaching works.",
        remedy: "Free some space: `df -h` and `df -i` show what is full",
        more: "`podman system df` shows what images and containers use, `podman image prune` deletes unused images.",
    }
    ReadOnly = "FLAT-E083", cni 5 {
        title: "The file system is read-only",
        seen: ["cannot .. ..: Read-only file system.."],
        means: "The state directory is on a read-only file system. It was mounted so, or the kernel remounted it after \
                disk errors.",
        remedy: "Find the reason with `findmnt -T /var/lib/flatnet` and `dmesg | tail`, then remount it: `mount -o \
                 remount,rw DIRECTORY`",
        more: "To keep state elsewhere, set `paths.state`.",
    }
    UnsafeDirectory = "FLAT-E084", cni 5 {
        title: "A state directory is accessible to others, or is a link",
        seen: [".. is accessible to other users ..", ".. is not a directory, or is a symbolic link"],
        means: "A user who can write there could make Flatnet delete arbitrary links and rules, so Flatnet does not read it.",
        remedy: "Check that everything in it is Flatnet's, then run `chown root DIRECTORY; chmod 700 DIRECTORY`",
        more: "Flatnet does not follow symbolic links to its state. To keep state elsewhere, set `paths.state`.",
    }
    ForeignFile = "FLAT-E085", cni 5 {
        title: "A file in the state directory is not Flatnet's",
        seen: [
            ".. is not a regular file",
            "cannot .. ..: Too many levels of symbolic links..",
        ],
        means: "The state directory holds a directory, link, pipe or oversized file where a state file should be.",
        remedy: "Move it away",
        more: "Its contents are rebuilt from receipts, leases and the kernel.",
    }
    TryLater = "FLAT-E086", cni 11 {
        title: "Another flatnet holds the lock",
        seen: [
            "another flatnet, or a program it started, has held .. for .. s",
            "the service for rootless Podman is busy with other requests of this user",
        ],
        means: "Only one process at a time changes leases and rules. Another one has held the lock for longer than \
                `limits.lock_seconds`, or was killed while an `ip` or `nft` that it started is still running.",
        remedy: "Try again; `fuser -v /run/flatnet/*.lock` shows who holds it",
        more: "To end a program that hangs, run `kill PID` with the PID that `fuser` shows.",
    }
    Unheard = "FLAT-E087", cni 5 {
        title: "The runtime did not receive the answer",
        seen: [
            "the runtime no longer reads the answer..",
            "the answer cannot be written..",
        ],
        means: "The caller was killed meanwhile, or standard output is closed or on a full disk. The runtime would treat \
                the container as not attached, so the ADD was rolled back.",
        remedy: "Start the container again; if its runtime was not killed, check where its standard output goes",
        more: "`journalctl -t flatnet` shows the failed ADD, and whether everything was rolled back.",
    }
    Unavailable = "FLAT-E091", cni 50 {
        title: "No container can be attached now",
        seen: ["ADD is unavailable: .."],
        means: "The runtime asked (CNI's STATUS) whether ADD would succeed. It would not, for the reason that follows, \
                which has its own code.",
        remedy: "Fix the reason that the message gives; `flatnet status` shows it too",
        more: "See the second code of the message.",
    }
    HostDiffers = "FLAT-E092", cni 107 {
        title: "This host differs from its configuration",
        seen: ["this host differs from its desired state; missing: .."],
        means: "CHECK found that the bridge, a setting or the rules were changed or removed, or that the configuration \
                changed since `flatnet up`. The message lists what `flatnet up` would do.",
        remedy: "Run `flatnet up`",
        commands: ["flatnet up"],
        more: "`flatnet plan` shows the changes first. Attached containers stay attached.",
    }
    ContainerDiffers = "FLAT-E093", cni 107 {
        title: "A container's attachment differs from its receipt",
        seen: ["container .. differs from its desired state; missing: ..", "the link .. does not belong to Flatnet", ".. is no longer in .., but its peer is on this host", "container .. uses .. without a lease", "container .. has .., which is not in .."],
        means: "CHECK found that a link, address, route or rule of the container was changed or removed, or that its \
                address is not leased to it.",
        remedy: "Run `flatnet repair`",
        commands: ["flatnet repair"],
        more: "It restores what is missing without cutting connections. `podman restart NAME` recreates everything, with \
               the same address. `flatnet inspect NAME` shows what was made.",
    }
    ForeignDrops = "FLAT-E094", cni 107 {
        title: "Another program's rules drop forwarded packets of containers",
        seen: ["chain .. drops forwarded packets of containers, by .."],
        means: "CHECK found a chain at the forward hook, of Docker, a firewall or another program, that drops packets \
                from or to containers. An accept in Flatnet's table cannot undo a drop in another one.",
        remedy: "Allow them there: `flatnet doctor` prints the command",
        more: "The command configures the program that made the chain, so that the change survives its restart. \
               Flatnet's own rules still protect containers.",
    }
    Internal = "FLAT-E099", cni 108 {
        title: "A bug in Flatnet",
        seen: [
            "this engine is read-only", "a receipt holds an empty command", "the configuration cannot be written as YAML..",
            "the ruleset's template cannot be rendered..", "state cannot be written as JSON..", "cannot wait for a command..", "a table of routes is wrong: ..",
            "cannot wait for what happens..", "cannot wait for signals..", "podman was not asked", "the template of .. cannot be rendered..", ".. is not valid UTF-8",
        ],
        means: "This cannot happen unless Flatnet has a bug. You did nothing wrong.",
        remedy: "Report it with this message and the output of `flatnet status`",
        more: "`flatnet gc` undoes what was done.",
    }
    PodmanOutput = "FLAT-E101", cni 109 {
        title: "Podman's output cannot be parsed",
        seen: ["cannot parse the output of `podman inspect`: .."],
        means: "The gateway's routes are made from `podman inspect`, which printed something other than a list of \
                containers. The routes stay as they were.",
        remedy: "Check its output: `podman ps -aq --no-trunc | xargs podman inspect --type container`",
        more: "Podman 4.3 and 5.4 are tested. If yours is newer, report it with the output of `podman inspect CONTAINER`.",
    }
    PodmanLost = "FLAT-E102", cni 109 {
        title: "Podman does not list attached containers",
        seen: ["Podman lists no container, and .. is attached at .."],
        means: "Podman's list is empty, but a container that has a route is still attached to the network. Podman uses \
                another storage than before, or has lost its database. The routes stay as they were.",
        remedy: "Compare `podman ps -a` with `flatnet ps`, and check the storage that `podman info` names",
        more: "If the containers are really gone, `flatnet gc` frees what they left, and the routes follow.",
    }
    BadLabel = "FLAT-E103", cni 109 {
        title: "A container's label is invalid",
        seen: ["label flatnet... of container ..: .."],
        means: "A label that begins with `flatnet.` has an unknown name or an invalid value. That container gets no \
                route; all others do.",
        remedy: "Recreate the container with a valid label: `podman run --label flatnet.port=3000 ..`",
        more: "`flatnet gateway routes` and the portal show the container with the reason.",
    }
    GatewayMissing = "FLAT-E104", cni 109 {
        title: "The gateway is not installed",
        seen: ["there is no gateway in .."],
        means: "The directory that `gateway.directory` of the configuration names does not exist, or is not a gateway's.",
        remedy: "Run `flatnet gateway install`, or fix `gateway.directory` in the configuration",
        commands: ["flatnet gateway install"],
        more: "On WSL2 it may be on a Windows disk that is not mounted: `findmnt /mnt/c`.",
    }
    RoutesHeld = "FLAT-E105", cni 109 {
        title: "A program holds the file of routes open",
        seen: ["cannot replace ..: .."],
        means: "The gateway's file of routes could not be replaced for two seconds. On a Windows disk this happens while \
                a program has it open without sharing it. The gateway keeps its current routes.",
        remedy: "Close the program that has it open on Windows (an editor, a virus scanner), or check who may write to the \
                 folder; Flatnet tries again",
        more: "The gateway itself opens the file for microseconds. Exclude the folder from virus scans.",
    }
    NoRoutes = "FLAT-E106", cni 109 {
        title: "There is no table of routes",
        seen: ["there is no table of routes at .."],
        means: "The gateway's routes have not been written yet, or the file was lost or damaged.",
        remedy: "Run `flatnet gateway sync`",
        commands: ["flatnet gateway sync"],
        more: "`flatnet gateway watch` keeps it up to date; as a service: `systemctl enable --now flatnet-gateway-watch`.",
    }
    PodmanEvents = "FLAT-E107", cni 109 {
        title: "Podman's events have ended",
        seen: ["Podman's events are unavailable: .."],
        means: "`flatnet gateway watch` follows `podman events`, and that command exited. Until it runs again, changes \
                are noticed by Flatnet's own receipts, and once a minute.",
        remedy: "Nothing, if it happens once: it is restarted. Otherwise run `podman events` by hand",
        more: "An upgrade of Podman, or `podman system renumber`, ends it too.",
    }
    NginxRefuses = "FLAT-E108", cni 109 {
        title: "nginx rejects the configuration",
        seen: ["nginx rejects the new ..: ..; .. is unchanged"],
        means: "`nginx -t` failed with the new file in place, so the previous one was restored. nginx names the file and \
                the line.",
        remedy: "Fix what nginx names; for `duplicate default server` add --no-default-server, or remove \
                 /etc/nginx/sites-enabled/default",
        more: "`flatnet gateway render --static` prints the file. nginx keeps running with its current configuration.",
    }
    ResolverPort = "FLAT-E111", cni 109 {
        title: "The resolver cannot listen",
        seen: ["the resolver of .. cannot listen at .. (..): another program listens there"],
        means: "`flatnet dns` listens at each network's own address, port 53, and another program listens there, or at all \
                addresses of this host. Names of containers on that network are not answered until it is gone; the \
                resolver tries again each second.",
        remedy: "Find that program with `ss -lunp`, and let it listen at its own addresses, or stop it",
        commands: ["ss -lunp"],
        more: "dnsmasq: `bind-interfaces` and `except-interface`; named: `listen-on`; unbound: `interface`.",
    }
    Paper = "FLAT-E121", cni 109 {
        title: "The file is not what this command needs",
        seen: [
            "there is no file ..", ".. is a directory, not a file", ".. is empty", ".. is not text", "standard input is empty",
            ".. is not a ..", ".. is a .., and a .. is needed", "nebula-cert cannot read the certificate..",
            "the invitation is for the key of host ..",
        ],
        means: "Between a host and the certificate authority travel a request and an invitation, and each command reads one of \
                them: `sign` a request, `join` an invitation, `peers` an invitation or a list of hosts, `trust` the certificate \
                of an authority. The file is missing, empty, damaged, or another one.",
        remedy: "Give the file that the message names; `flatnet overlay COMMAND --help` has an example",
        more: "`head -n 3 FILE` shows what a file is: the first line of each says it. Files must arrive unchanged: compare them with \
               `sha256sum`.",
    }
    Authority = "FLAT-E122", cni 109 {
        title: "The certificate authority cannot sign",
        seen: [
            "the passphrase is not ..", "the authority's key ..", "the authority's certificate ..", "there is no certificate authority in ..",
            "the certificate would be valid ..", "the first line of .. is empty", "nothing says how the authority's key is kept",
        ],
        means: "The folder of the authority, the passphrase of its key or the lifetime that was asked for does not fit. Nothing was \
                signed, and no number was taken.",
        remedy: "Name the authority's folder with --ca and its passphrase with --passphrase-file, and use no longer --hours than the \
                 authority's",
        more: "Whether a key has a passphrase: `grep ENCRYPTED /etc/flatnet/ca/ca.key`. Until when the authority's certificate is valid: \
               `nebula-cert print -path /etc/flatnet/ca/ca.crt`.",
    }
    HostsLost = "FLAT-E123", cni 109 {
        title: "The list lacks hosts that this host knows",
        seen: ["the list of hosts lacks .."],
        means: "With VXLAN each host knows the others from a list. This one names fewer than the host knows, as an older list or an older \
                invitation does. Hosts that are not in the list would be cut off, so nothing was changed.",
        remedy: "Take the newest list: the invitation of the newest host, or another host's peers.yaml. If the hosts have left for \
                 ever, add --drop",
        more: "`flatnet overlay peers --dry-run --drop FILE` shows which hosts would be added, changed and dropped.",
    }
}
