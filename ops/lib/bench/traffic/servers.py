"""The servers in the server's container: iperf3, and nginx with a response from memory."""

import subprocess
import time

from candidates import INPUTS, write
from measure import Failed
from web.network import cores

HTTP, IPERF = 80, 5201

NGINX = """
daemon off; pid /run/bench/nginx-{name}.pid; error_log stderr; worker_processes 1;
events {{ worker_connections 4096; multi_accept on; }}
http {{
    access_log off; keepalive_requests 10000000;
    server {{ listen 80 backlog=4096; default_type text/plain; return 200 "{body}\\n"; }}
}}
"""


class Servers:
    """They end with `stop`, or with the sandbox."""

    def __init__(self, way):
        config = write(f"nginx-{way.name}.conf", NGINX.format(name=way.name, body="x" * 1023))
        self.way, self.processes, self.log = way, [], f"{INPUTS}/servers-{way.name}.log"
        with way.host:
            for argv in (["iperf3", "--server"], ["nginx", "-c", config]):
                self.start(argv)
            for port in (HTTP, IPERF):
                self.wait(port)

    def start(self, argv):
        argv = ["ip", "netns", "exec", self.way.server, "taskset", "--cpu-list", cores()[0], *argv]
        with open(self.log, "a", encoding="utf-8") as log:
            self.processes.append(subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log))

    def wait(self, port):
        end = time.monotonic() + 5
        while not self.way.reaches(port):
            if time.monotonic() > end or any(process.poll() is not None for process in self.processes):
                with open(self.log, encoding="utf-8") as log:
                    raise Failed(f"{self.way.name}: nothing answers at {self.way.address}:{port}\n{log.read()[-2000:]}")
            time.sleep(0.02)

    def stop(self):
        for process in self.processes:
            process.terminate()
            process.wait()
