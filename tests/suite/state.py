"""Breaks files of Flatnet's state while two containers run, and checks the consequences. For `soak_state.rs`.

state.py {"seed": N, "rounds": N}     prints the changes by kind of file, as JSON

Containers a and b run all the time, c comes and goes. After each change, the script makes calls like a runtime and a
person: none may crash, no address may be assigned twice, and a bad file must be set aside and reported.
"""
import json, os, random, re, shutil, socket, subprocess, sys

STATE, RUN = "/var/lib/flatnet/flatnet", "/run/flatnet"
LEASES, HOST = f"{STATE}/leases.json", f"{STATE}/host.json"
OWNERS = [f"{STATE}/owner", f"{RUN}/flatnet/owner"]
ASIDE = re.compile(r"\.bad-\d+$")
said = []  # all calls of this round with their output


def receipt(id):
    return f"{STATE}/receipts/{id}@eth0.json"


def run(words, stdin="", **variables):
    done = subprocess.run(words, input=stdin, capture_output=True, text=True, timeout=60, env={**os.environ, **variables})
    said.append(f"$ {words} {variables.get('CNI_COMMAND', '')} {variables.get('CNI_CONTAINERID', '')}: "
                f"{done.returncode} {done.stdout}{done.stderr}")
    # 134 is an abort, a panic of a release build; 101 is a panic of a debug build.
    assert done.returncode in (0, 1, 2), f"died: {said[-1]}"
    assert "panicked" not in done.stderr, said[-1]
    return done


def cni(command, id, **more):
    conf = {"cniVersion": "1.1.0", "name": "flatnet", "type": "flatnet", **more}
    done = run(["/usr/local/bin/flatnet"], json.dumps(conf), CNI_COMMAND=command, CNI_CONTAINERID=id, CNI_IFNAME="eth0",
               CNI_NETNS=f"/run/netns/{id}", CNI_PATH="/opt/cni/bin", CNI_ARGS=f"IgnoreUnknown=1;K8S_POD_NAME=name-{id}")
    return done.returncode, json.loads(done.stdout or "null")


def add(id):
    ports = [{"hostPort": 8080 + "abc".index(id), "containerPort": 80, "protocol": "tcp"}]
    status, answer = cni("ADD", id, runtimeConfig={"portMappings": ports})
    assert status == 0, f"ADD {id}: {answer}"
    results[id] = answer
    return answer["ips"][0]["address"]


def delete(id):
    status, answer = cni("DEL", id)
    assert (status, answer) == (0, None), f"DEL {id}: {answer}"


def kernel(id):
    """The container's address, as seen inside."""
    shown = subprocess.run(["ip", "-n", id, "-4", "-j", "addr", "show", "dev", "eth0"], capture_output=True, text=True).stdout
    return [f"{one['local']}/{one['prefixlen']}" for link in json.loads(shown or "[]") for one in link.get("addr_info", [])]


def ruleset():
    return subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, check=True).stdout


results = {}

# --- changes of a file -------------------------------------------------------------------------------


def remove(path):
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.remove(path)


def content(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def put(path, data):
    remove(path)
    with open(path, "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(data)


def first_line(path, change):
    line, newline, rest = content(path).partition(b"\n")
    put(path, change(line) + newline + rest)


def flip(line, dice):
    line = bytearray(line or b"{}")
    for _ in range(dice.randint(1, 4)):
        line[dice.randrange(len(line))] ^= 1 << dice.randrange(8)
    return bytes(line)


def digit(line, dice):
    """Still valid JSON, but with another address, ID or name."""
    at = [place.start() for place in re.finditer(rb"(?<=[.\"a-z])[0-9a-c](?=[0-9./\"@])", line)]
    if not at:
        return line[:-2]
    place = dice.choice(at)
    other = b"2" if line[place:place + 1] != b"2" else b"3"
    return line[:place] + other + line[place + 1:]


def to_socket(path):
    remove(path)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.close()


def to_folder(path):
    remove(path)
    os.makedirs(path + "/x", 0o700)


def other_shape(dice):
    return dice.choice(["[]", "{}", "null", "7", '"x"', '{"leases":[]}', '{"leases":{"10.87.1.2":{}}}', '{"version":1}', "[" * 5000,
                        '{"leases":{"999.1.1.1":{"container_id":"a","if_name":"eth0","since":1}}}', "#!/bin/sh\nexit 1\n"]).encode()


# Each: the change, and whether the result is always invalid as state of Flatnet.
CHANGES = {
    "cut": (lambda path, dice: put(path, content(path)[: dice.randrange(len(content(path)) // 2 + 1)]), False),
    "empty": (lambda path, dice: put(path, b""), True),
    "zeroed": (lambda path, dice: put(path, bytes(len(content(path)) or 1)), True),
    "random": (lambda path, dice: put(path, dice.randbytes(dice.randint(1, 3000))), True),
    "flipped": (lambda path, dice: first_line(path, lambda line: flip(line, dice)), False),
    "digit": (lambda path, dice: first_line(path, lambda line: digit(line, dice)), False),
    "shape": (lambda path, dice: put(path, other_shape(dice)), True),
    "huge": (lambda path, dice: (put(path, b""), os.truncate(path, 70 << 20)), True),
    "another's": (lambda path, dice: put(path, content(receipt("b"))), True),
    "folder": (lambda path, dice: to_folder(path), True),
    "link": (lambda path, dice: (remove(path), os.symlink(dice.choice(["/etc/passwd", "/nowhere", LEASES]), path)), True),
    "pipe": (lambda path, dice: (remove(path), os.mkfifo(path)), True),
    "socket": (lambda path, dice: to_socket(path), True),
    "owner": (lambda path, dice: (put(path, content(path)), os.chown(path, 65534, 65534)), True),
    "mode": (lambda path, dice: (put(path, content(path)), os.chmod(path, 0o666)), True),
    "deleted": (lambda path, dice: remove(path), False),
    "older": (lambda path, dice: first_line(path, lambda line: re.sub(rb',"sha256":"\w*"}$', b"}", line)), False),
}

LOCKS = [f"{RUN}/flatnet.lock", f"{RUN}/flatnet/ruleset.lock"]
FILES = [LEASES, HOST, receipt("a")]
LEFT_OVER = [f"{STATE}/.new", f"{STATE}/receipts/.new"]
# Not for the owner file: a changed name would be valid, and mean another Flatnet.
NOT_ANOTHER = ["flipped", "digit", "older"]
NOT_A_FILE = ["folder", "link", "pipe", "socket"]


def break_one(dice):
    """Changes one file, or leases and receipt together; returns the changes, and the paths that must be set aside."""
    kind = dice.choices(["state", "both", "lock", "left over", "mark", "stranger", "whose"], [12, 4, 2, 2, 1, 1, 2])[0]
    if kind == "state":
        paths = [dice.choice(FILES)]
    elif kind == "both":
        paths = [LEASES, receipt("a")]
    elif kind == "whose":
        paths = [dice.choice(OWNERS)]
    elif kind == "stranger":
        paths = [f"{STATE}/receipts/{dice.choice(['x', 'zz@eth0', '..', 'a@eth1'])}.json"]
    else:
        paths = {"lock": LOCKS, "left over": [dice.choice(LEFT_OVER)], "mark": [f"{RUN}/flatnet/a@eth0.undo"]}[kind]
    done, bad = [], []
    for path in paths:
        names = list(CHANGES)
        if kind in ("lock", "mark"):
            names = NOT_A_FILE + ["empty", "random", "deleted"]
        if kind == "whose":
            names = [name for name in names if name not in NOT_ANOTHER]
        name = dice.choice(names)
        change, is_bad = CHANGES[name]
        change(path, dice)
        done.append(f"{kind}: {name}")
        if os.path.lexists(path):
            must = is_bad and kind in ("state", "both", "stranger", "whose") or kind == "lock" and name in NOT_A_FILE
            bad += [path] if must else []
    return done, bad


# --- a round ------------------------------------------------------------------------------------------


def asides():
    return [f"{folder}/{name}" for top in (STATE, RUN) for folder, dirs, files in os.walk(top)
            for name in dirs + files if ASIDE.search(name)]


def act(dice):
    """Runs a random command of a runtime or a person; it may fail, but must not crash."""
    what = dice.choice(["none", "check", "gc", "up", "ps", "repair", "GC", "plan", "status"])
    if what == "check":
        cni("CHECK", "a", prevResult=results["a"])
    elif what == "GC":
        listed = [{"containerID": id, "ifname": "eth0"} for id in "ab"]
        cni("GC", "", **{"cni.dev/valid-attachments": listed})
    elif what != "none":
        words = {"plan": ["plan", "--dry-run"]}.get(what, [what])
        run(["/usr/local/bin/flatnet", *words])


def one_round(dice):
    said.clear()
    was_marked = False
    done, bad = break_one(dice)
    was_marked = any(one.startswith("mark") and not one.endswith("deleted") for one in done)
    act(dice)
    before = {id: kernel(id) for id in "ab"}
    if not was_marked:
        assert before == addresses, f"a living container was cut: {before}, and not {addresses}"
    given = add("c")
    assert kernel("c") == [given] and given not in sum(before.values(), []), f"{given} was given twice: {before}"
    assert [given] not in [kernel(id) for id in "ab"], f"{given} was given twice"
    act(dice)
    delete("c")
    delete("a")
    assert kernel("a") == kernel("c") == [] and kernel("b") == addresses["b"]
    rules = ruleset()
    left = [line for line in rules.splitlines() if re.search(r'comment "[ac]"', line)]
    assert not left, f"elements of the dead: {left}"
    given = add("a")
    assert kernel("a") == [given] and [given] != addresses["b"], f"{given} was given twice"
    addresses["a"] = [given]
    everything = "".join(said)
    aside = asides()
    for path in bad:
        assert any(one.startswith(path + ".bad-") for one in aside), f"{path} is bad and was not set aside: {aside}"
    for path in aside:
        assert path in everything, f"{path} was set aside without a word"
        remove(path)
    assert [content(path).decode() for path in OWNERS] == [owner, owner], "it is not known whose all this is"
    refuse_leftovers()
    return done


def refuse_leftovers():
    allowed = {LEASES, HOST, receipt("a"), receipt("b"), f"{RUN}/flatnet.operations.json", *LOCKS, *OWNERS}
    found = {f"{folder}/{name}" for top in (STATE, RUN) for folder, _, files in os.walk(top) for name in files}
    assert found <= allowed, f"left behind: {found - allowed}"
    held = [lease for lease in json.loads(content(LEASES))["leases"].values() if not lease.get("released")]
    assert sorted(lease["container_id"] for lease in held) == ["a", "b"], f"held: {held}"


def main(seed, rounds):
    dice = random.Random(seed)
    global owner
    for id in "ab":
        addresses[id] = [add(id)]
    owner = content(OWNERS[0]).decode()
    counts = {}
    for number in range(rounds):
        state = dice.getstate()
        try:
            done = one_round(dice)
        except BaseException as error:
            dice.setstate(state)
            print(f"round {number} of seed {seed}: {type(error).__name__}: {error}", *said, sep="\n", file=sys.stderr)
            sys.exit(1)
        for one in done:
            counts[one] = counts.get(one, 0) + 1
    for id in "ab":
        delete(id)
    print(json.dumps(counts))


addresses, owner = {}, ""
main(**json.load(sys.stdin))
