//! All errors: one entry to each, and nothing about an error anywhere else.
//!
//! In `seen`, `..` stands for what differs from case to case. `remedy` is what a message ends in, unless the place that
//! fails knows better.

use super::kind::kinds;

kinds! {
    Version = "FLAT-E001", cni 1 {
        title: "The CNI version is not spoken",
        seen: ["cniVersion \"..\" is not supported", ".. is of CNI .., and the network's cniVersion is .."],
        means: "The conflist names a version of the CNI specification that Flatnet does not know, or the runtime called \
                a command that this version does not have yet (CHECK came with 0.4.0, GC and STATUS with 1.1.0).",
        remedy: "Have the conflist written anew: remove it, then `flatnet init`",
        more: "`flatnet init` writes version 1.0.0, the highest that Podman 4 reads. Other runtimes may be given 1.1.0 in \
               a conflist of their own.",
    }
    Unsupported = "FLAT-E002", cni 2 {
        title: "The request asks for what Flatnet does not have",
        seen: [
            ".. addresses are asked for.., and Flatnet gives one",
            "a port cannot be published at \"..\"",
            "the address \"..\" is no IPv4 address", ".. is not done by Flatnet",
        ],
        means: "A container has one IPv4 address on a network. IPv6 addresses, and ports published at one, are not supported. How a \
                network is, its configuration says, and not options of `podman network create`.",
        remedy: "Ask for one IPv4 address, and publish ports at an IPv4 address of this host or at none; write into the \
                 configuration what the message names",
        more: "`podman run --ip 10.87.1.20 -p 8080:80 ..` asks for what there is.",
    }
    UnknownContainer = "FLAT-E003", cni 3 {
        title: "No such container is attached",
        seen: ["container .. is not attached to ..", "no container \"..\" is attached to .."],
        means: "There is no receipt of that container: it was never attached, it was detached, or the state directory was emptied.",
        remedy: "`flatnet ps --all` lists names, IDs and addresses",
        more: "A container that runs and is not listed has no working network: start it again (`podman restart NAME`).",
    }
    Ambiguous = "FLAT-E004", cni 3 {
        title: "The name or ID fits several containers",
        seen: ["\"..\" is any of ..: .."],
        means: "What you gave is the beginning of several IDs, or an alias of several containers.",
        remedy: "Give the address, or more of the ID",
        more: "`flatnet ps` lists names, IDs and addresses.",
    }
    Environment = "FLAT-E005", cni 4 {
        title: "The runtime's environment or arguments are wrong",
        seen: [
            ".. must be set", ".. is not UTF-8", "CNI_COMMAND is \"..\", and none of ..", "CNI_ARGS: ..",
            "CNI_CONTAINERID: ..", "CNI_IFNAME: ..", "CNI_NETNS: ..", "expected `create`, ..",
        ],
        means: "A runtime calls Flatnet by `CNI_*` variables or by netavark's commands, and one of them is missing, \
                malformed or not known. Who meets this called the plugin by hand, or uses an unusual runtime.",
        remedy: "Call it as the CNI specification or netavark's plugin API has it; Podman does",
        more: "<https://www.cni.dev/docs/spec/>, \
               <https://github.com/containers/netavark/blob/main/plugin-API.md>. To see what would be done for a container, \
               use `flatnet plan add NAME` instead.",
    }
    Decode = "FLAT-E006", cni 6 {
        title: "What the runtime sent cannot be read",
        seen: [
            "standard input ..", "the network configuration on standard input ..",
            "the network configuration's field .. is no text", "runtimeConfig.. cannot be read",
            "cni.dev/valid-attachments cannot be read", "prevResult..",
        ],
        means: "Standard input is not the JSON that the protocol asks for, or a field of it has another type.",
        remedy: "Check the conflist: `jq . /etc/cni/net.d/flatnet.conflist`; remove it and run `flatnet init` to have it written anew",
        more: "The message names the field. One of `runtimeConfig` comes from the runtime, so its version matters: `podman version`.",
    }
    BadValue = "FLAT-E007", cni 6 {
        title: "A name, address or port is malformed",
        seen: [
            ".. \"..\" must ..", ".. \"..\" is ..", "host port .. is published to container port 0",
            ".. ports from .. on end behind 65535",
        ],
        means: "A value that Flatnet would hand to `ip` or `nft` does not look as it must. It is refused, and nothing is run.",
        remedy: "Give a value of the form that the message shows",
        more: "Names of containers, networks and interfaces hold letters, digits, `.`, `_` and `-`; an interface's name has at \
               most 15 characters.",
    }
    ConfigMissing = "FLAT-E011", cni 7 {
        title: "There is no configuration",
        seen: ["there is no configuration at .."],
        means: "Flatnet reads `/etc/flatnet/flatnet.yaml`, or the file that `--config` or the conflist's `config` names, and \
                it is not there. An empty file is a good configuration.",
        remedy: "Run `flatnet init` to write one",
        commands: ["flatnet init"],
        more: "`flatnet init` keeps what is there. Then `flatnet up`.",
    }
    ConfigSyntax = "FLAT-E012", cni 7 {
        title: "The configuration cannot be read as YAML",
        seen: ["..yaml..: .."],
        means: "The file is no YAML, or has a field that Flatnet does not know, or a value of another type. The message \
                names file, line and column.",
        remedy: "`flatnet config schema` lists every field; `flatnet config check` tries the file",
        more: "Attached containers go on, and can be detached. No container can be attached until the file is mended.",
    }
    ConfigValue = "FLAT-E013", cni 7 {
        title: "A value of the configuration cannot work",
        seen: ["..yaml..: ..: .."],
        means: "The file can be read, but a value contradicts another or cannot exist. The message names file, line, field and value.",
        remedy: "Mend the value; `flatnet config check` tries the file",
        more: "`flatnet plan` shows what a changed configuration would do before it is done.",
    }
    ConfigUnsafe = "FLAT-E014", cni 7 {
        title: "The configuration may be written by others than root, or is no file",
        seen: [".. may be written by others than root ..", "the configuration .. is no file"],
        means: "Flatnet runs as root by what this file says. Who may write it could run what they like as root, so it is refused.",
        remedy: "Run `chown root:root FILE; chmod 644 FILE`",
        more: "First look whether it says what you wrote: `flatnet config check FILE` as a user who is not root.",
    }
    NetworkName = "FLAT-E015", cni 7 {
        title: "Runtime and configuration call the network by different names",
        seen: ["the runtime calls this network \"..\", .. calls it ..", ".. configures the network .."],
        means: "`name` in the conflist, or the name given to `podman network create`, is not `network` in the configuration.",
        remedy: "Give both the same name; `flatnet init` writes a conflist that was removed anew",
        more: "With Podman 5: `podman network rm NAME`, then `podman network create -d flatnet NAME` with the name that the \
               configuration has. A second network needs a configuration of its own: `-o config=/etc/flatnet/second.yaml`.",
    }
    Conflist = "FLAT-E016", cni 7 {
        title: "The conflist or the runtime's request lacks a field",
        seen: ["the network configuration has no field ..", "config: \"..\" is no absolute path ..", "CHECK needs the field prevResult.."],
        means: "A field that the command needs is missing or useless: `name`, `config`, for CHECK `prevResult`, for GC \
                `cni.dev/valid-attachments`. Without the last GC would have to remove every container.",
        remedy: "Have the conflist written anew: remove it, then `flatnet init`",
        more: "`prevResult` and `cni.dev/valid-attachments` come from the runtime: a call by hand must give them.",
    }
    NoUplink = "FLAT-E017", cni 7 {
        title: "The configured uplink does not exist",
        seen: ["uplink: there is no interface .."],
        means: "`uplink` in the configuration names an interface that this host does not have (any more).",
        remedy: "Write `uplink: auto` in the configuration, or one that `ip link` lists",
        more: "`auto` takes the interface of the default route, and the MTU from it.",
    }
    NotAllowed = "FLAT-E021", cni 102 {
        title: "Flatnet does not run as root",
        seen: ["cannot .. ..: Permission denied..", "cannot .. ..: Operation not permitted..", "this process is root in a user namespace only.."],
        means: "Flatnet changes the host's network and keeps its state in directories that only root may enter. Rootless \
                Podman calls it as an ordinary user, who may do neither. To root itself a file can be forbidden too, where \
                it is immutable (`lsattr`) or a security module guards it (`journalctl -k | grep -i denied`).",
        remedy: "Flatnet works as root only: use sudo; rootless Podman cannot use it",
        more: "`sudo podman run --network flatnet ..`",
    }
    NoCapability = "FLAT-E022", cni 102 {
        title: "Root may not change the network here",
        seen: ["..Operation not permitted..", "this process may not enter .."],
        means: "The kernel refused a change although root asked for it: a capability is missing, as in a container or a \
                restricted systemd unit, or root is root in a user namespace only, as under rootless Podman.",
        remedy: "Flatnet needs root with CAP_NET_ADMIN and CAP_SYS_ADMIN in the first user namespace; rootless Podman cannot use it",
        more: "`grep Cap /proc/self/status`, `capsh --decode=..` and `cat /proc/self/uid_map` show what this process may do.",
    }
    Netns = "FLAT-E031", cni 8 {
        title: "The container's network namespace is gone",
        seen: ["the network namespace .. cannot be opened..", "cannot look at ..", "cannot enter .."],
        means: "The runtime named a path at which no namespace is. As a rule the container ended while it was being started.",
        remedy: "Look why the container ended (`podman logs NAME`), and start it again; `ls -l /run/netns` shows which namespaces there are",
        more: "After a reboot, or after `/run` was emptied, Podman makes new namespaces when containers start.",
    }
    NotANetns = "FLAT-E032", cni 8 {
        title: "The path is no network namespace",
        seen: [".. is not a network namespace", ".. is a namespace, but no network namespace"],
        means: "There is a file at the path that the runtime named, but it is no network namespace.",
        remedy: "Make one with `ip netns add NAME`, whose path is /run/netns/NAME, or use /proc/PID/ns/net",
        more: "Podman never does this; it happens in calls by hand.",
    }
    OwnNetns = "FLAT-E033", cni 8 {
        title: "The namespace is this host's own",
        seen: [".. is this host's own network namespace"],
        means: "The container shares the host's network, so there is nothing to attach.",
        remedy: "Run the container without `--network host`",
        more: "A container has either `--network host` or `--network flatnet`.",
    }
    NetnsHidden = "FLAT-E034", cni 107 {
        title: "The container's network namespace cannot be seen from here",
        seen: ["the network namespace of container .. cannot be seen from here: .."],
        means: "The container runs: its link has another end. Yet no file names its network namespace in this mount namespace, and no process of it is here: the runtime has a mount namespace of its own, as in `podman machine` or a unit with `PrivateMounts=`.",
        remedy: "Run this command where the runtime runs: `nsenter --mount --target PID flatnet ..`, with the PID of one of its processes",
        more: "Its address stays its own, and nothing is taken from it. `ip -d link show type veth` shows its link, with `link-netnsid` for the other end.",
    }
    Exhausted = "FLAT-E041", cni 100 {
        title: "No address is left",
        seen: ["all .. addresses from .. to .. are held: .."],
        means: "Every address that may be given out is held by a container that lives, or that could not be taken apart when it died.",
        remedy: "Remove a container, free what the dead hold with `flatnet gc`, or widen `allocate` and `subnet` in the configuration",
        more: "Before `subnet` is changed: `flatnet down --force`, which cuts containers off; then `flatnet up`, and start them again.",
    }
    AddressTaken = "FLAT-E042", cni 101 {
        title: "The address asked for is another container's",
        seen: ["address .. is held by .."],
        means: "`--ip` named an address that a living container holds. The message says which.",
        remedy: "Stop that container, or ask for another address; `flatnet ps` lists them",
        more: "A stopped container holds nothing: its address is kept for it only while nobody else asks for that very address.",
    }
    AddressRefused = "FLAT-E043", cni 101 {
        title: "The address asked for cannot be given",
        seen: ["address .. is .."],
        means: "`--ip` named an address outside this host's subnet, or the network's, the broadcast, the gateway's, or a reserved one.",
        remedy: "Ask for a free one of this host's subnet, or for none",
        more: "`flatnet config check` shows `subnet`, `gateway` and `reserved`. Each host has a subnet of its own.",
    }
    MacTaken = "FLAT-E044", cni 101 {
        title: "The MAC address asked for is taken",
        seen: ["MAC address .. is held by .."],
        means: "`--mac-address` named one that another container or the bridge has. Two of them would take each other's frames.",
        remedy: "Ask for another, or for none",
        more: "Without `--mac-address` the MAC follows from the address, and is as unique.",
    }
    PortTaken = "FLAT-E045", cni 104 {
        title: "The host port is published by another container",
        seen: ["port .. is published by .. already"],
        means: "A living container publishes that port at the same address of this host (0.0.0.0 is every address).",
        remedy: "Publish another port (`-p`), or remove that container; `flatnet ps --json` lists who publishes what",
        more: "`flatnet inspect NAME` shows the other's ports. What a dead container published is freed without being asked. \
               Podman 5 may notice first and say `cannot listen on the TCP port: .. address already in use`, without a code.",
    }
    PortReserved = "FLAT-E046", cni 101 {
        title: "The host port is kept for connections of containers",
        seen: ["port .. is inside masquerade_ports .., which connections of containers use"],
        means: "Connections that containers open to the outside get source ports of `masquerade_ports`. A port that is \
                published there could be taken by another container, which gets what is meant for the first.",
        remedy: "Publish a port outside of it (`-p`), or give `masquerade_ports` in the configuration another range and run `flatnet up`",
        more: "`flatnet config check` prints the range. It should also lie outside of the ports that this host's own programs \
               get (`sysctl net.ipv4.ip_local_port_range`).",
    }
    ForeignBridge = "FLAT-E051", cni 104 {
        title: "The bridge's name belongs to somebody else",
        seen: ["the link .. belongs to somebody else (..; Flatnet's has the alias ..)"],
        means: "There is a link of the name that `bridge` in the configuration gives, without Flatnet's alias. It may be \
                another program's or a person's, so it is left alone.",
        remedy: "Name another `bridge` in the configuration, or delete the link if nobody needs it",
        more: "`ip -d addr show dev flatnet-br0` shows what it is, `bridge link` its ports.",
    }
    BridgeAddress = "FLAT-E052", cni 104 {
        title: "The bridge has another address",
        seen: ["the bridge .. has the address .., not .."],
        means: "The bridge is Flatnet's, but its address is not the one configured: the configuration was changed while \
                containers were attached, or somebody changed the bridge.",
        remedy: "If you changed `subnet` or `bridge_address`, run `flatnet down --force` with the old configuration first; else delete the address",
        more: "`flatnet down --force` cuts the attached containers off; start them again after `flatnet up`.",
    }
    BridgeFull = "FLAT-E053", cni 104 {
        title: "The bridge has no port left",
        seen: ["..Exchange full..", "..Exfull.."],
        means: "The kernel gives a bridge at most 1023 ports, and so many links are joined to this one.",
        remedy: "A bridge has at most 1023 ports: remove containers, or give this host a second network",
        more: "`bridge link | grep -c flatnet-br0` counts them. A second network has another `network`, `bridge` and `subnet`: \
               `flatnet init --config /etc/flatnet/second.yaml`.",
    }
    ForeignLink = "FLAT-E054", cni 104 {
        title: "The name of the container's host link belongs to somebody else",
        seen: ["the link .., which the container needs, belongs to somebody else"],
        means: "The host's end of a container's wire is named by a hash. A link of that name is there and does not bear \
                Flatnet's alias: somebody made or renamed it, or changed its alias.",
        remedy: "See whose it is with `ip -d link show dev LINK`, and rename or delete it",
        more: "If nobody knows it: `ip link del dev LINK`.",
    }
    InterfaceExists = "FLAT-E055", cni 104 {
        title: "The container has an interface of that name already",
        seen: [".. exists in .. already, and is not Flatnet's"],
        means: "Another network, or somebody by hand, has made an interface of that name in the container's namespace.",
        remedy: "Give this network another interface name, or remove what made it",
        more: "`podman run --network flatnet:interface_name=eth1 ..`; `ip netns exec NAME ip -br link` shows what is there.",
    }
    ContainersAttached = "FLAT-E056", cni 104 {
        title: "Containers are attached",
        seen: [".. attached: .."],
        means: "`flatnet down` would cut off containers that live.",
        remedy: "Stop them first, or cut them off with `flatnet down --force`",
        more: "Containers that were cut off are attached again when they are started again, after `flatnet up`.",
    }
    DirectoryInTheWay = "FLAT-E057", cni 104 {
        title: "A directory is where a file should be",
        seen: [".. is a directory, and should be a file"],
        means: "`flatnet init` found a directory at the path of a file that it should write.",
        remedy: "Look what it is, and move it away",
        more: "A container that was started with `-v FILE:..` before the file was there leaves such directories.",
    }
    AnotherFlatnet = "FLAT-E058", cni 104 {
        title: "The bridge or the ruleset belongs to another Flatnet",
        seen: [".. belongs to another Flatnet, .., on the same network of the kernel"],
        means: "All WSL2 distributions share one network, and another one has a Flatnet with the same names. Its bridge and \
                its ruleset bear its mark: a name and a random number. This Flatnet touches nothing of it. You see the same where the \
                state directory was lost while containers ran.",
        remedy: "Give this one another `network`, `bridge` and `subnet` in the configuration",
        more: "`ip link show dev flatnet-br0` shows the mark as the bridge's alias; this Flatnet's own is in \
               `/var/lib/flatnet/flatnet/owner`. If the other is gone, `ip link del flatnet-br0` and `nft delete table inet flatnet` make way.",
    }
    WindowsFolder = "FLAT-E059", cni 104 {
        title: "The folder on Windows cannot be used",
        seen: [
            "there is no folder of a user of Windows in ..", "there are folders of several users of Windows in ..",
            ".. is on no disk of Windows..", ".. has other characters than letters, digits, blanks and ..",
            ".. holds something that is not Flatnet's",
        ],
        means: "`flatnet windows install` writes scripts that Windows runs. Whoever may write where they lie decides what they do, so it writes into a folder of your own on a disk of Windows, and into none that holds something else.",
        remedy: "Name a folder of your own: `flatnet windows install /mnt/c/Users/YOU/AppData/Local/flatnet-setup`",
        more: "Other users of this PC may write below `C:\\`, and into `C:\\Users\\Public` and `C:\\ProgramData`. Where /mnt/c is not there, see `automount` in /etc/wsl.conf.",
    }
    ToolMissing = "FLAT-E061", cni 105 {
        title: "A program is missing",
        seen: ["the program .. is missing.."],
        means: "Flatnet runs `ip`, `bridge`, `nft`, `sysctl`, `conntrack`, `nsenter` and `unshare`, which it looks for in \
                /usr/sbin, /usr/bin, /sbin and /bin, or where `tools` in the configuration says.",
        remedy: "Run `apt-get install iproute2 nftables procps conntrack util-linux`",
        commands: ["apt-get install iproute2 nftables procps conntrack util-linux"],
        more: "`flatnet status` tries all of them.",
    }
    ToolUnsafe = "FLAT-E062", cni 105 {
        title: "Others than root may write a program",
        seen: [".. is not root's, or others may write it .."],
        means: "Flatnet runs the program as root, and somebody else could put another in its place. It is not run.",
        remedy: "Name another in `tools:` of the configuration, or run `chown root FILE; chmod 755 FILE`",
        more: "Look first whether it is the one that was installed: `dpkg --verify`.",
    }
    ToolTooOld = "FLAT-E063", cni 105 {
        title: "A program is too old",
        seen: ["..syntax error..", "..is unknown, try..", "..unknown option ..", "..is a garbage.."],
        means: "`nft` does not understand the rules that Flatnet gives it, or `ip` or another program does not know an option.",
        remedy: "This program is too old: Flatnet needs nft 1.0.6, iproute2 6.1 and util-linux 2.38 or later; upgrade its package",
        more: "`nft --version`, `ip -V`; `flatnet doctor` compares them all. `flatnet rules` prints what nft was given.",
    }
    KernelLacks = "FLAT-E064", cni 105 {
        title: "The kernel lacks a part of nftables",
        seen: ["..Operation not supported.."],
        means: "`nft` understood the rules, and the kernel has no code for one of them.",
        remedy: "This kernel lacks a part of nftables that Flatnet needs; on WSL2 run `wsl --update`",
        more: "`uname -r`; elsewhere use the distribution's kernel, with NF_TABLES, NF_TABLES_INET, NF_TABLES_ARP and NFT_NAT.",
    }
    ToolOutput = "FLAT-E065", cni 105 {
        title: "A program printed what cannot be read",
        seen: ["`..` printed something that is no JSON of its own"],
        means: "Flatnet looks at the host by `ip -j`, `bridge -j` and `nft -j`, and one of them printed something else.",
        remedy: "Look what it prints with `-j`; Flatnet needs iproute2 6.1 and nft 1.0.6 or later, with JSON",
        more: "`nft -j list tables | jq .`, `ip -j link | jq .`. An `nft` that was built without JSON says so.",
    }
    ToolNotStarted = "FLAT-E066", cni 105 {
        title: "A program cannot be started",
        seen: ["cannot start .."],
        means: "The program is there, but the kernel would not start it: no memory, too many processes, or a file that cannot be run.",
        remedy: "Run it by hand to see why; `free -m` and `ulimit -u` show whether memory or processes are used up",
        more: "`dmesg | tail` shows whether the kernel ended processes for want of memory.",
    }
    Command = "FLAT-E071", cni 106 {
        title: "A command failed",
        seen: ["`..` failed: `..` exited with .."],
        means: "`ip`, `bridge`, `nft` or `sysctl` refused to do what Flatnet asked for. The message holds the command, of a \
                batch the line, and what the program said. What was done before it was taken back.",
        remedy: "`journalctl -t flatnet -n 5` or /var/log/flatnet/flatnet.log shows every command that ran; run the one that failed by hand",
        more: "`flatnet plan` prints the commands for this host, `flatnet plan add NAME` those for a container; both can be pasted. \
               Where the program says `File exists`, something left over may be in the way: `flatnet repair` takes out what \
               is Flatnet's own.",
    }
    CommandCrashed = "FLAT-E072", cni 106 {
        title: "A command died by a signal",
        seen: ["`..` failed: `..` died by signal .."],
        means: "The program crashed or was killed, so how much it did is not known; Flatnet looked again and took it back.\n\n\
                Of `nft` (signal 11, exit status 139 in a shell) the usual reason is that two versions share this kernel's \
                ruleset: what nft 1.1.2 or later wrote, in any table, makes nft 1.0.6 crash. All WSL2 distributions share one \
                ruleset, and so do containers with the host's network.",
        remedy: "Look for its crash with `dmesg | tail`, and install its package anew; signal 9 may be want of memory",
        more: "For `nft`: `nft --version` in every WSL2 distribution (`wsl --list`), and bring all of them to one version, \
               `apt-get install nftables`. Until then `nft list ruleset` by the newer one shows the tables; the one that \
               another distribution's firewall or Podman wrote is the cause, and goes with `nft delete table FAMILY NAME` by \
               the newer nft.",
    }
    CommandTimedOut = "FLAT-E073", cni 106 {
        title: "A command took too long",
        seen: ["`..` failed: `..` was killed after .. s.."],
        means: "The program did not end within `limits.command_seconds` (10), so it was killed and what it did was taken back.",
        remedy: "See what it waits for with `ps -e -o pid,stat,wchan,args`, or raise limits.command_seconds in the configuration",
        more: "A program in state `D` waits for the kernel: `dmesg | tail`. On a host under great load start fewer containers at once.",
    }
    NotUndone = "FLAT-E074", cni 106 {
        title: "Something could not be taken back",
        seen: ["not all could be undone: ..", "the link .. is in the way: ..", "not all could be collected: .."],
        means: "A command that undoes failed. The attachment stays recorded, its address stays held, and whoever comes next \
                tries again: ADD, `flatnet gc` and the timer that calls it.",
        remedy: "Run `flatnet gc`, which tries again; the message holds the command to mend it by hand",
        commands: ["flatnet gc"],
        more: "`flatnet inspect NAME` prints all commands that undo an attachment.",
    }
    Io = "FLAT-E081", cni 5 {
        title: "A file cannot be read or written",
        seen: ["cannot .. ..: ..", ".. went away", "standard input cannot be read..", "the answer cannot be read.."],
        means: "The kernel refused an operation on a file for a reason that the message gives.",
        remedy: "Mend what the message names; `dmesg | tail` shows whether the disk is broken",
        more: "State lies in /var/lib/flatnet, locks in /run/flatnet, unless `paths` in the configuration says otherwise.",
    }
    DiskFull = "FLAT-E082", cni 5 {
        title: "The disk is full",
        seen: ["cannot .. ..: No space left on device..", "cannot .. ..: Disk quota exceeded.."],
        means: "There is no space, or no inode, for a file of state. No container can be attached; detaching works.",
        remedy: "Free some space: `df -h` and `df -i` show what is full",
        more: "`podman system df` shows what images and containers take, `podman image prune` frees what no container needs.",
    }
    ReadOnly = "FLAT-E083", cni 5 {
        title: "The file system is read-only",
        seen: ["cannot .. ..: Read-only file system.."],
        means: "The state directory lies on a file system that cannot be written: mounted so, or made so by the kernel after errors of the disk.",
        remedy: "See why with `findmnt -T /var/lib/flatnet` and `dmesg | tail`, and remount it: `mount -o remount,rw DIRECTORY`",
        more: "Elsewhere state can lie where `paths.state` says.",
    }
    UnsafeDirectory = "FLAT-E084", cni 5 {
        title: "A directory of state is open to others, or is a link",
        seen: [".. may be entered by others ..", ".. is no directory, or a symbolic link"],
        means: "Who may write there could make Flatnet delete links and rules of their choice, so nothing is read from it.",
        remedy: "Look whether anything in it is not yours, then run `chown root DIRECTORY; chmod 700 DIRECTORY`",
        more: "Flatnet follows no symbolic link to its state. To keep it elsewhere, name the place in `paths.state`.",
    }
    ForeignFile = "FLAT-E085", cni 5 {
        title: "A file of state is none of Flatnet's",
        seen: [".. is no file of Flatnet's", "cannot .. ..: Too many levels of symbolic links.."],
        means: "Among the files of state is a directory, a link, a pipe, or a file that is too large.",
        remedy: "Move it away",
        more: "What it held is made again from receipts, leases and the kernel.",
    }
    TryLater = "FLAT-E086", cni 11 {
        title: "Another flatnet holds the lock",
        seen: ["another flatnet, or a program it started, has held .. for .. s"],
        means: "One run at a time changes leases and rules. Another has held the lock for longer than `limits.lock_seconds`, \
                or was killed while an `ip` or `nft` that it started still works.",
        remedy: "Try again; `fuser -v /run/flatnet/*.lock` shows who holds it",
        more: "A program that hangs is ended by `kill PID`, with the PID that `fuser` shows.",
    }
    Unheard = "FLAT-E087", cni 5 {
        title: "The runtime does not get the answer",
        seen: ["nobody reads the answer any more..", "the answer cannot be written.."],
        means: "Whoever called Flatnet was killed meanwhile, or standard output leads to a full disk or nowhere. A container that \
                its runtime believes to have no network must not have one: an ADD is taken back.",
        remedy: "Start the container again; if its runtime was not killed, see where its standard output leads",
        more: "`journalctl -t flatnet` shows the ADD as failed, and whether all was taken back.",
    }
    Unavailable = "FLAT-E091", cni 50 {
        title: "No container could be attached now",
        seen: ["ADD could not work now: .."],
        means: "The runtime asked (CNI's STATUS) whether ADD would work, and it would not, for the reason that follows, \
                with a code of its own.",
        remedy: "Mend the reason that the message gives; `flatnet status` shows it too",
        more: "See the second code of the message.",
    }
    HostDiffers = "FLAT-E092", cni 107 {
        title: "This host is not as configured",
        seen: ["this host is not as it was made; missing: .."],
        means: "CHECK found that the bridge, a setting or the rules were changed or removed, or that the configuration was \
                changed since `flatnet up`. The message lists what `flatnet up` would do.",
        remedy: "Run `flatnet up`",
        commands: ["flatnet up"],
        more: "`flatnet plan` shows it first. Attached containers stay attached.",
    }
    ContainerDiffers = "FLAT-E093", cni 107 {
        title: "A container's attachment is not as it was made",
        seen: ["container .. is not as it was made; missing: ..", "the link .. belongs to somebody else", ".. is not in .. any more, though its other end is here", "container .. uses .. without holding it", "container .. has .. and not .."],
        means: "CHECK found that a link, address, route or rule of the container was changed or removed, or that its \
                address is not recorded as its own.",
        remedy: "Run `flatnet repair`",
        commands: ["flatnet repair"],
        more: "It puts back what is missing, and connections go on. `podman restart NAME` makes all of it anew, with the same address. `flatnet inspect NAME` shows what was made.",
    }
    ForeignDrops = "FLAT-E094", cni 107 {
        title: "Another program drops what this host forwards for containers",
        seen: ["chain .. drops what this host forwards for containers, by .."],
        means: "CHECK found a chain of Docker's, a firewall's or somebody else's at the forward hook that drops packets from \
                or to containers. An accept in Flatnet's table cannot undo a drop in another one.",
        remedy: "Let them pass there: `flatnet doctor` prints the command",
        more: "The command speaks to the program that made the chain, and says how the change stays over its next start. \
               Flatnet's own rules still guard containers.",
    }
    Internal = "FLAT-E099", cni 108 {
        title: "A fault of Flatnet itself",
        seen: [
            "this engine was opened to look only", "a receipt holds a command without a program", "the configuration cannot be written as YAML..",
            "the ruleset's template cannot be rendered..", "state cannot be written as JSON..", "cannot wait for a command..", "a table of routes is wrong: ..",
            "cannot wait for what happens..", "cannot wait for signals..", "podman was not asked", "the template of .. cannot be rendered..", ".. is no text",
        ],
        means: "Something happened that cannot happen, and nothing that you did is the reason.",
        remedy: "Report it with this message and the output of `flatnet status`",
        more: "What was done is undone by `flatnet gc`.",
    }
    PodmanOutput = "FLAT-E101", cni 109 {
        title: "What Podman prints cannot be read",
        seen: ["cannot parse the output of `podman inspect`: .."],
        means: "The gateway's routes are made from what Podman says about containers, and it said something else than a list \
                of them. The routes stay as they were.",
        remedy: "Look at it: `podman ps -aq --no-trunc | xargs podman inspect --type container`",
        more: "Podman 4.3 and 5.4 are tested. If yours is newer, report it with a container's `podman inspect`.",
    }
    PodmanLost = "FLAT-E102", cni 109 {
        title: "Podman does not list containers that are there",
        seen: ["Podman lists no container, and .. is attached at .."],
        means: "Podman's list is empty, while a container that has a route is still attached to the network: Podman looks at \
                another storage than before, or has lost its database. The routes stay as they were.",
        remedy: "Compare `podman ps -a` with `flatnet ps`, and look at the storage that `podman info` names",
        more: "If the containers are really gone, `flatnet gc` frees what is left of them, and the routes follow.",
    }
    BadLabel = "FLAT-E103", cni 109 {
        title: "A container's label is wrong",
        seen: ["label flatnet... of container ..: .."],
        means: "A label that begins with `flatnet.` has a value that cannot work, or a name that there is none of. That container \
                gets no route; all others do.",
        remedy: "Make the container again with the right label: `podman run --label flatnet.port=3000 ..`",
        more: "`flatnet gateway routes` lists it with what is wrong, and so does the portal.",
    }
    GatewayMissing = "FLAT-E104", cni 109 {
        title: "The gateway is not installed",
        seen: ["there is no gateway in .."],
        means: "The folder that `gateway.directory` of the configuration names is not there, or is no gateway's.",
        remedy: "Run `flatnet gateway install`, or mend `gateway.directory` in the configuration",
        commands: ["flatnet gateway install"],
        more: "On WSL2 it may lie on Windows' disk, which is not mounted: `findmnt /mnt/c`.",
    }
    RoutesHeld = "FLAT-E105", cni 109 {
        title: "A program holds the file of routes open",
        seen: ["cannot replace ..: .."],
        means: "The gateway's file of routes could not be replaced for two seconds. On Windows' disk that is so while a program \
                there has it open without sharing it. The gateway goes on with the routes that it has.",
        remedy: "Close what has it open on Windows (an editor, a virus scanner), or see who may write the folder; it is tried again",
        more: "The gateway itself opens the file for microseconds. Except the folder from scans: it holds no programs of others.",
    }
    NoRoutes = "FLAT-E106", cni 109 {
        title: "There is no table of routes",
        seen: ["there is no table of routes at .."],
        means: "Nothing has written the gateway's routes yet, or the file was lost or torn.",
        remedy: "Run `flatnet gateway sync`",
        commands: ["flatnet gateway sync"],
        more: "`flatnet gateway watch` keeps it as the containers are; as a service: `systemctl enable --now flatnet-gateway-watch`.",
    }
    PodmanEvents = "FLAT-E107", cni 109 {
        title: "Podman's events have ended",
        seen: ["Podman's events are unavailable: .."],
        means: "`flatnet gateway watch` learns from `podman events` that containers start and stop, and that command ended. Until it \
                runs again, changes are seen by Flatnet's own receipts, and once a minute.",
        remedy: "Nothing, if it happens once: it is started again. Else see what `podman events` says by hand",
        more: "An upgrade of Podman, or `podman system renumber`, ends it too.",
    }
    NginxRefuses = "FLAT-E108", cni 109 {
        title: "nginx does not take the configuration",
        seen: ["nginx rejects the new ..: ..; .. is unchanged"],
        means: "`nginx -t` failed with the new file in its place, so the one before was put back. nginx names the file and the line.",
        remedy: "Mend what nginx names; for `duplicate default server` add --no-default-server, or remove /etc/nginx/sites-enabled/default",
        more: "`flatnet gateway render --static` prints what was to be written. nginx goes on with what it has.",
    }
}
