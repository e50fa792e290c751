"""Real sockets in several network namespaces at once: what `traffic.rs` asks for, on standard input as JSON.

traffic.py serve   [[NETNS, NAME, BIND, [PORT..]]..]            TCP and UDP servers, in the background once all are bound
traffic.py ask     [[NETNS, PROTO, TO, PORT, SECONDS, FROM]..]  one answer to each, all asked side by side
traffic.py hold    {"connect": [[NETNS, TO, PORT]..], "run": SHELL}  the same connections used before and after SHELL ran
traffic.py wire    {"hear": [NETNS..], "send": [[NETNS, HEX]..], "run": SHELL}  the frames that each NETNS then heard

NETNS "" is this one. Servers answer "NAME ADDRESS", with the address they see the other end use; TCP then echoes.
"""
import ctypes, json, os, select, socket, subprocess, sys, threading, time

IP_PKTINFO, OUTGOING, ALL_FRAMES = 8, 4, 3
libc = ctypes.CDLL(None, use_errno=True)


def within(netns, function):
    """Calls it in a thread of NETNS (a socket stays in the namespace where it was made)."""
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


def listeners(bind, port):
    tcp, udp = socket.socket(), socket.socket(type=socket.SOCK_DGRAM)
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
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
    # Answers from the address that was asked, as a resolver does.
    control = [(level, kind, bytes(4) + data[4:8] + bytes(4)) for level, kind, data in control]
    udp.sendmsg([f"{name} {peer[0]}".encode()], control, 0, peer)


def quietly(function):
    try:
        function()
    except OSError:
        pass  # the other end is gone, or may not be answered


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
    asking = socket.socket(type=socket.SOCK_STREAM if proto == "tcp" else socket.SOCK_DGRAM)
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


{"serve": serve, "ask": ask, "hold": hold, "wire": wire}[sys.argv[1]](json.load(sys.stdin))
