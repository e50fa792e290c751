"""Real sockets in several network namespaces at once, as `traffic.rs` requests as JSON on standard input.

traffic.py serve   [[NETNS, NAME, BIND, [PORT..]]..]            TCP and UDP servers, in the background once all are bound
traffic.py ask     [[NETNS, PROTO, TO, PORT, SECONDS, FROM]..]  the answer to each request; all are sent concurrently
traffic.py hold    {"connect": [[NETNS, TO, PORT]..], "run": SHELL}  uses the same connections before and after SHELL
traffic.py wire    {"hear": [NETNS..], "send": [[NETNS, HEX]..], "run": SHELL}  the frames that each NETNS then received
traffic.py strike  {"ears": [[NETNS, PROTOCOL]..], "frames": [[NETNS, LINK, HEX]..]}  the packets that reached raw sockets
traffic.py talk    {"clients": [[NETNS, FROM, FROM_PORT, TO, PORT]..], "run": SHELL}  who answers UDP clients that keep sending
traffic.py keep    {"flows": [[NETNS, TO, PORT]..], "run": SHELL}  losses of TCP connections and UDP flows in constant use

NETNS "" is this namespace. Servers answer "NAME ADDRESS", with the address of the client as they see it; TCP then echoes.
"""
import ctypes, json, os, select, socket, subprocess, sys, threading, time

IP_PKTINFO, OUTGOING, ALL_FRAMES = 8, 4, 3
libc = ctypes.CDLL(None, use_errno=True)


def within(netns, function):
    """Calls `function` in a thread in NETNS (a socket stays in the namespace in which it was created)."""
    result = []

    def run():
        try:
            if netns:
                with open("/run/netns/" + netns) as file:
                    if libc.setns(file.fileno(), 0x40000000):
                        raise OSError(ctypes.get_errno(), "setns " + netns)
            result.append(function())
        except Exception as error:
            result.append(error)

    thread = threading.Thread(target=run)
    thread.start()

    def wait():
        thread.join()
        if isinstance(result[0], Exception):
            raise result[0]
        return result[0]

    return wait


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def listeners(bind, port):
    tcp, udp = socket.socket(family(bind)), socket.socket(family(bind), socket.SOCK_DGRAM)
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family(bind) == socket.AF_INET:
        udp.setsockopt(socket.SOL_IP, IP_PKTINFO, 1)
    tcp.bind((bind, port))
    udp.bind((bind, port))
    tcp.listen(64)
    return tcp, udp


def greet(tcp, name):
    connection, peer = tcp.accept()

    def echo():
        connection.sendall(f"{name} {peer[0]}".encode())
        while data := connection.recv(1000):
            connection.sendall(data)

    threading.Thread(target=lambda: quietly(echo), daemon=True).start()


def reply(udp, name):
    _, control, _, peer = udp.recvmsg(2000, 200)
    # Answers from the requested address, as a resolver does.
    control = [(level, kind, bytes(4) + data[4:8] + bytes(4)) for level, kind, data in control]
    udp.sendmsg([f"{name} {peer[0]}".encode()], control, 0, peer)


def quietly(function):
    try:
        function()
    except OSError:
        pass  # the peer is gone, or answers to it are blocked


def serve(servers):
    sockets = {}
    for netns, name, bind, ports in servers:
        for port in ports:
            tcp, udp = within(netns, lambda: listeners(bind, port))()
            sockets[tcp], sockets[udp] = (greet, name), (reply, name)
    if os.fork():
        os._exit(0)
    while True:
        for ready in select.select(list(sockets), [], [])[0]:
            answer, name = sockets[ready]
            quietly(lambda: answer(ready, name))


def ask_one(proto, to, port, seconds, source):
    asking = socket.socket(family(to), socket.SOCK_STREAM if proto == "tcp" else socket.SOCK_DGRAM)
    asking.settimeout(seconds)
    try:
        if source:
            asking.bind((source, 0))
        asking.connect((to, port))
        if proto == "udp":
            asking.send(b"x")
        return asking.recv(100).decode() or "closed"
    except socket.timeout:
        return "silence"
    except OSError as error:
        return error.strerror.lower()
    finally:
        asking.close()


def ask(probes):
    waits = [within(netns, lambda rest=rest: ask_one(*rest)) for netns, *rest in probes]
    print(json.dumps([wait() for wait in waits]))


def shell(script):
    subprocess.run(["bash", "-euo", "pipefail", "-c", script], check=True, stdout=sys.stderr)


def hold(plan):
    connections = [within(netns, lambda: socket.create_connection((to, port), 5))() for netns, to, port in plan["connect"]]
    who = [connection.recv(100).decode() for connection in connections]
    shell(plan["run"])
    for connection, name in zip(connections, who):
        connection.sendall(b"still there?")
        answer = connection.recv(100)
        assert answer == b"still there?", f"{name}: {answer}"
    print(json.dumps(who))


def packet_socket(protocol):
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(protocol))
    opened.bind(("eth0", protocol))
    opened.setblocking(False)
    return opened


def drain(heard):
    frames = []
    while True:
        try:
            data, address = heard.recvfrom(2000)
        except BlockingIOError:
            return frames
        if address[2] != OUTGOING:
            frames.append(data.hex())


def wire(plan):
    ears = [within(netns, lambda: packet_socket(ALL_FRAMES))() for netns in plan["hear"]]
    for netns, frame in plan["send"]:
        within(netns, lambda: packet_socket(0).send(bytes.fromhex(frame)))()
    shell(plan["run"])
    time.sleep(0.3)
    print(json.dumps([drain(ear) for ear in ears]))


def raw_ear(protocol, family=socket.AF_INET):
    opened = socket.socket(family, socket.SOCK_RAW, protocol)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    opened.setblocking(False)
    return opened


def sender(link):
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    opened.bind((link, 0))
    return opened


def strike(plan):
    ears = [within(netns, lambda: raw_ear(protocol))() for netns, protocol in plan["ears"]]
    ears += [within(netns, lambda: raw_ear(protocol, socket.AF_INET6))() for netns, protocol in plan.get("ears6", [])]
    senders = {}
    for netns, link, frame in plan["frames"]:
        if (netns, link) not in senders:
            senders[netns, link] = within(netns, lambda: sender(link))()
        senders[netns, link].send(bytes.fromhex(frame))
    time.sleep(0.4)
    packets = []
    for ear in ears:
        try:
            while True:
                packets.append(ear.recv(65535).hex())
        except BlockingIOError:
            pass
    print(json.dumps(packets))


def talk(plan):
    """The last answer to each client in one second after SHELL. A pause lets earlier packets arrive first."""
    def client(address, port, to, to_port):
        opened = socket.socket(type=socket.SOCK_DGRAM)
        opened.bind((address, port))
        opened.connect((to, to_port))
        opened.settimeout(0.05)
        return opened

    clients = [within(netns, lambda: client(*rest))() for netns, *rest in plan["clients"]]
    last, ended = {}, threading.Event()

    def go_on(number, opened):
        while not ended.is_set():
            try:
                opened.send(b"x")
                last[number] = opened.recv(100).decode()
            except socket.timeout:
                pass
            except OSError as error:
                last[number] = error.strerror.lower()
            time.sleep(0.02)

    threads = [threading.Thread(target=go_on, args=each) for each in enumerate(clients)]
    for thread in threads:
        thread.start()
    try:
        time.sleep(0.3)
        before = dict(last)
        shell(plan["run"])
        time.sleep(0.3)
        last.clear()
        time.sleep(1)
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    said = lambda answers: [answers.get(number, "silence") for number in range(len(clients))]
    print(json.dumps([said(before), said(last)]))


def keep(plan):
    """Every 10 ms each flow sends over UDP and over its TCP connection; "lost" counts UDP packets without an answer."""
    ended, results = threading.Event(), {}

    def one(number, netns, to, port):
        said = results[number] = {"tcp": "not connected", "asked": 0, "lost": 0}
        tcp = socket.create_connection((to, port), 5)
        said["who"] = tcp.recv(100).decode()
        udp = socket.socket(type=socket.SOCK_DGRAM)
        udp.connect((to, port))
        udp.setblocking(False)
        tcp.settimeout(8)
        answered = 0
        while not ended.is_set():
            said["tcp"] = "broken"
            try:
                udp.send(b"x")
            except OSError:
                pass  # an ICMP error about the previous packet
            said["asked"] += 1
            words = b"%08d" % said["asked"]
            tcp.sendall(words)
            heard = b""
            while len(heard) < len(words):
                more = tcp.recv(100)
                assert more, "closed"
                heard += more
            assert heard == words, heard
            said["tcp"] = "whole"
            time.sleep(0.01)
            answered += count(udp)
        time.sleep(0.5)
        said["lost"] = said["asked"] - answered - count(udp)

    def count(udp):
        got = 0
        while True:
            try:
                udp.recv(100)
                got += 1
            except BlockingIOError:
                return got
            except OSError:
                pass

    def named(number, *flow):
        try:
            one(number, *flow)
        except (OSError, AssertionError) as error:
            results[number]["tcp"] += f": {error}"

    waits = [within(flow[0], lambda flow=(number, *flow): named(*flow)) for number, flow in enumerate(plan["flows"])]
    try:
        end = time.time() + 5
        while any(results.get(number, {}).get("asked", 0) < 10 for number in range(len(waits))) and time.time() < end:
            time.sleep(0.02)
        shell(plan["run"])
        time.sleep(0.5)
    finally:
        ended.set()
    for wait in waits:
        wait()
    print(json.dumps([results[number] for number in range(len(waits))]))


{"keep": keep, "serve": serve, "ask": ask, "hold": hold, "wire": wire, "strike": strike, "talk": talk}[sys.argv[1]](json.load(sys.stdin))
