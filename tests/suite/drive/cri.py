"""A client of containerd's CRI (runtime.v1), as crictl is one, which Debian does not package.

    cri.py run NAME [HOST_PORT:PORT]..    starts a pod and prints its ID
    cri.py address|stop|remove ID

curl makes the calls: gRPC is a POST over HTTP/2 of a message after its length. Messages are encoded without generated code. Their
fields' numbers are those of https://github.com/kubernetes/cri-api/blob/master/pkg/apis/runtime/v1/api.proto
"""

import subprocess
import sys
import urllib.parse

CURL = [
    *("curl", "-sS", "--max-time", "60", "--http2-prior-knowledge", "--unix-socket", "/run/containerd/containerd.sock"),
    *("-H", "content-type: application/grpc", "-H", "te: trailers", "--data-binary", "@-", "--dump-header", "/dev/stderr"),
]


def varint(number):
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(encoded) + bytes([number])


def message(*fields):
    """Encodes pairs of a field's number and its value: an int, a text or a message."""
    encoded = b""
    for number, value in fields:
        if isinstance(value, int):
            encoded += varint(number << 3) + varint(value)
        else:
            value = value.encode() if isinstance(value, str) else value
            encoded += varint(number << 3 | 2) + varint(len(value)) + value
    return encoded


def read_varint(data, at):
    number = shift = 0
    while True:
        byte = data[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return number, at


def field(data, wanted):
    """The first field of this number. The answers consist of varints and of bytes."""
    at = 0
    while at < len(data):
        key, at = read_varint(data, at)
        value, at = read_varint(data, at)
        if key & 7 == 2:
            value, at = data[at : at + value], at + value
        if key >> 3 == wanted:
            return value
    return b""


def call(method, request):
    body = b"\0" + len(request).to_bytes(4, "big") + request
    url = f"http://localhost/runtime.v1.RuntimeService/{method}"
    answer = subprocess.run([*CURL, url], input=body, capture_output=True)
    headers = answer.stderr.decode()
    if "grpc-status: 0" not in headers:
        sys.exit(f"{method} failed: {urllib.parse.unquote(headers)}")
    return answer.stdout[5:]


def run(name, *ports):
    metadata = message((1, name), (2, f"uid-of-{name}"), (3, "default"))
    config = [(1, metadata), (2, name), (8, b"")]
    for port in ports:
        host, container = map(int, port.split(":"))
        config.append((5, message((2, container), (3, host))))
    print(field(call("RunPodSandbox", message((1, message(*config)))), 1).decode())


def main(verb, subject, *rest):
    if verb == "run":
        run(subject, *rest)
    elif verb == "address":
        status = field(call("PodSandboxStatus", message((1, subject))), 1)
        print(field(field(status, 5), 1).decode())
    else:
        call({"stop": "StopPodSandbox", "remove": "RemovePodSandbox"}[verb], message((1, subject)))


main(*sys.argv[1:])
