"""Simulates browsers: reads {"address", "host", "port", "threads", "seconds", "methods", "path"} and prints the results.

Each thread sends requests one after the other over one connection; a status other than 200 is a failure.
"""

import http.client
import json
import sys
import threading
import time

plan = json.load(sys.stdin)
end = time.monotonic() + plan["seconds"]
lock = threading.Lock()
done = {"total": 0, "failed": [], "slowest": 0.0, "posts": 0, "names": {}}


def ask(connection, method):
    body = b"x" * 100 if method == "POST" else None
    connection.request(method, plan.get("path", "/"), body, {"Host": plan["host"]})
    answer = connection.getresponse()
    text = answer.read()
    return answer.status, text


def browse(number):
    connection = http.client.HTTPConnection(plan["address"], plan.get("port", 80), timeout=30)
    count = 0
    while time.monotonic() < end:
        method = plan["methods"][(number + count) % len(plan["methods"])]
        count += 1
        began = time.monotonic()
        try:
            status, text = ask(connection, method)
            name = json.loads(text).get("name") if status == 200 else None
            problem = None if status == 200 else f"{method} {status} {text[:300].decode()}"
        except (OSError, http.client.HTTPException, ValueError) as error:
            name, problem = None, f"{method} {error!r}"
            connection.close()
        took = time.monotonic() - began
        with lock:
            done["total"] += 1
            done["posts"] += method == "POST"
            done["slowest"] = max(done["slowest"], took)
            if name:
                done["names"][name] = done["names"].get(name, 0) + 1
            if problem:
                done["failed"].append(problem)


threads = [threading.Thread(target=browse, args=(number,)) for number in range(plan["threads"])]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps(done))
