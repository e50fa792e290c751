"""Texts that attack shells, nft, `ip -batch`, paths, options, formats and terminals."""

# Grouped by target. A successful attack creates something named `owned`, or changes `bystander`, which is not Flatnet's.
ATTACKS = {
    "nft and ip": [
        '"; flush ruleset; add table inet owned; #',
        '" }; flush ruleset; #',
        'x" }; delete table inet bystander; #',
        'x" }\ndelete table inet bystander\n#',
        'x" }\nadd table inet owned\n#',  # may occur several times in one transaction
        'x" }\nflush set inet bystander s\n#',
        "x}\nadd table inet owned\n",
        "x\nlink del bystander0\n",
        "x address 02:00:00:00:00:99 mtu 1280",
    ],
    "shell": [
        "'; touch /tmp/owned; '", "$(touch /tmp/owned)", "`touch /tmp/owned`", "${IFS}touch${IFS}/tmp/owned", ";touch /tmp/owned",
        "|touch /tmp/owned", "&& touch /tmp/owned", "\ntouch /tmp/owned\n", "EOF\ntouch /tmp/owned\nEOF", "*", "?", "!", "~root",
    ],
    "paths": [
        "../../../../tmp/owned", "../other/leases", "/tmp/owned", "/proc/1/ns/net", "/proc/self/fd/0", "/dev/stdin", "..", ".", "/",
        "//", "a/b", "a/../b",
    ],
    "options and formats": [
        "-", "-all", "--", "--help", "-n", "--config=/tmp/owned", "-batch", "%s%n%x", "%d", "{0}", "{{ 7 * 7 }}", "{% raw %}",
    ],
    "separators": [" ", "a b", "a\tb", "\r", "a\\nb", "a@b", "a,b", "a=b;c=d", "[a]", "#", "\\", "\0"],
    "alphabets and terminals": [
        "é\u0301🦀\u202e", "ｅｔｈ０", "\u2028x", "\ufeffx", "\u007f\u001b[31m", "\u001b]0;owned\u0007", "\ud800",
    ],
    "values": [
        "all", "lo", "default", "null", "true", "NaN", "-1", "0", "65536", "1e999", "0x10", "999999999999999999999", "10.87.1.300",
        "10.87.1.1", "10.87.1.0/24", "10.87.1.9/33", "::1", "::ffff:10.87.1.9", "127.0.0.1", "010.087.001.009",
        "ff:ff:ff:ff:ff:ff", "02:00:00:00:00", "02-00-00-00-00-01",
    ],
}  # fmt: skip

# Longer than any valid name, path or address.
LONG = ["x" * 10_240, '"' * 10_240, "../" * 3_500, "é" * 5_200, "%s" * 5_200, "a;" * 5_200, "\n" * 10_240, "1" * 10_240]

# Unusual but often valid names: objects made with them must not conflict with anything else.
ODD = [
    "a", "0", "A.b_c-d", "a..b", "a.-", "a--", "table", "inet", "elements", "drop", "accept", "bindings", "flatnet", "type",
    "mtu", "netns", "dev", "eth0.100", "fn0123456789ab", "con", "true", "1e5", "0x1f", "c" * 15, "d" * 64, "e" * 128,
]  # fmt: skip

def hostile(dice, good=""):
    """A text to replace `good`: an unrelated text, `good` with an attack in it, or an unusual name."""
    kind = dice.random()
    if kind < 0.1:
        return dice.choice(ODD)
    if kind < 0.15:
        return dice.choice(LONG)
    if kind < 0.2:
        return "".join(chr(dice.choice([dice.randrange(1, 128), dice.randrange(1, 0xD800)])) for _ in range(dice.randint(1, 40)))
    attack = dice.choice(dice.choice(list(ATTACKS.values())))
    if kind < 0.5 or not good:
        return attack
    at = dice.choice([0, len(good), dice.randrange(len(good) + 1)])
    return good[:at] + attack + good[at:]


def bytes_of(text):
    """`text` as bytes of an argument or a variable; half of a surrogate pair becomes invalid UTF-8."""
    return text.replace("\0", "").encode("utf-8", "surrogatepass")
