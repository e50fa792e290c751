"""Real gRPC, without generated code: messages are bytes.

    grpc_calls.py serve ADDRESS:PORT      a container: /test.Service/Echo, /Count and /Chat, one for each kind of call
    grpc_calls.py                         a client: reads {"address", "name", "certificate"}; prints the result of each call
"""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import grpc

SERVICE = "/test.Service/"


def echo(request, context):
    if request == b"nobody":
        context.abort(grpc.StatusCode.NOT_FOUND, "there is no nobody")
    asked = dict(context.invocation_metadata())
    context.set_trailing_metadata((("x-seen", asked.get("x-sent", "")),))
    return request


def count(request, _):
    for number in range(int(request)):
        yield f"{number} {time.time()}".encode()
        time.sleep(0.4)


def chat(requests, _):
    for request in requests:
        yield b"re: " + request


class Handler(grpc.GenericRpcHandler):
    def service(self, details):
        kinds = {
            "Echo": lambda: grpc.unary_unary_rpc_method_handler(echo),
            "Count": lambda: grpc.unary_stream_rpc_method_handler(count),
            "Chat": lambda: grpc.stream_stream_rpc_method_handler(chat),
        }
        make = kinds.get(details.method.removeprefix(SERVICE))
        return make and make()


def serve(where):
    server = grpc.server(ThreadPoolExecutor(8), handlers=[Handler()])
    server.add_insecure_port(where)
    server.start()
    server.wait_for_termination()


def refusal(call):
    try:
        call()
    except grpc.RpcError as error:
        return [error.code().name, error.details()]
    return ["OK", ""]


def talk(channel):
    """Sends each question after the answer to the previous one."""
    said = []

    def questions():
        for number in range(3):
            while len(said) < number:
                time.sleep(0.01)
            yield f"hello {number}".encode()

    for answer in channel.stream_stream(SERVICE + "Chat")(questions(), timeout=10):
        said.append(answer.decode())
    return said


def call(plan):
    credentials = grpc.ssl_channel_credentials(open(plan["certificate"], "rb").read())
    named = (("grpc.ssl_target_name_override", plan["name"]), ("grpc.default_authority", plan["name"]))
    with grpc.secure_channel(plan["address"] + ":443", credentials, named) as channel:
        unary = channel.unary_unary(SERVICE + "Echo")
        if plan.get("refused"):
            return {"refused": refusal(lambda: unary(b"x", timeout=10))}
        large = b"x" * 3_000_000
        answer, seen = unary.with_call(large, timeout=10, metadata=(("x-sent", "by the client"),))
        late = [time.time() - float(one.split()[1]) for one in channel.unary_stream(SERVICE + "Count")(b"3", timeout=10)]
        return {
            "echo": answer == large,
            "trailer": dict(seen.trailing_metadata()).get("x-seen"),
            "late": late,
            "chat": talk(channel),
            "not_found": refusal(lambda: unary(b"nobody", timeout=10)),
            "unknown": refusal(lambda: channel.unary_unary(SERVICE + "Nothing")(b"", timeout=10)),
            "deadline": refusal(lambda: list(channel.unary_stream(SERVICE + "Count")(b"9", timeout=1))),
        }


if sys.argv[1:2] == ["serve"]:
    serve(sys.argv[2])
else:
    print(json.dumps(call(json.load(sys.stdin))))
