"""The candidates: four servers that forward requests from the LAN to the same backend, one port each."""

import os
import signal
import subprocess

from measure import Failed, sh
from web.network import BOX, GATEWAY, await_true, cores, is_listening

FOLDER = "/run/bench-web"
DIRECTORY = "/var/lib/flatnet-gateway"
# The response body of all servers.
BODY = "x" * 1023 + "\\n"
HOST = "web.flatnet.internal"

BACKEND = f"""
daemon off; pid {FOLDER}/box.pid; error_log stderr; worker_processes 1;
events {{ worker_connections 4096; }}
http {{
    access_log off; keepalive_requests 10000000;
    server {{ listen {BOX}:3000; listen {BOX}:3001; default_type text/plain; return 200 "{BODY}"; }}
}}
"""

# Written by hand from nginx' documentation, like the output of `flatnet gateway render --static`: with the gateway's limits,
# timeouts and log, but without log fields that the other servers lack.
STATIC = f"""
daemon off; pid {FOLDER}/static.pid; error_log stderr; user www-data; worker_processes auto; worker_rlimit_nofile 16384;
events {{ worker_connections 8192; }}
http {{
    client_max_body_size 0; client_body_buffer_size 64k; keepalive_timeout 75s; keepalive_requests 10000; tcp_nodelay on;
    log_format bench escape=json
        '{{"time":"$time_iso8601","request_id":"$request_id","client":"$remote_addr","method":"$request_method",'
        '"scheme":"$scheme","host":"$host","uri":"$request_uri","protocol":"$server_protocol","status":$status,'
        '"bytes_in":$request_length,"bytes_out":$bytes_sent,"seconds":$request_time,'
        '"upstream":"$upstream_addr","upstream_status":"$upstream_status","upstream_connect":"$upstream_connect_time",'
        '"upstream_seconds":"$upstream_response_time","referer":"$http_referer","user_agent":"$http_user_agent"}}';
    access_log {FOLDER}/static.log bench buffer=64k flush=1s;
    map $http_upgrade $connection_upgrade {{ "" ""; default upgrade; }}
    upstream web {{ server {BOX}:3000; keepalive 128; keepalive_requests 10000; }}
    server {{
        listen 8081;
        server_name {HOST};
        location / {{
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Connection $connection_upgrade;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header X-Real-IP $remote_addr;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Forwarded-Host $http_host;
            proxy_set_header X-Request-ID $request_id;
            proxy_buffering off;
            proxy_pass http://web;
        }}
    }}
    server {{ listen 8081 default_server; return 404; }}
}}
"""

# With the same headers and log as above, by HAProxy's own names.
HAPROXY = f"""
global
    maxconn 8192
    log stdout len 4096 format raw local0
defaults
    mode http
    log global
    option forwardfor
    timeout connect 1s
    timeout client 300s
    timeout server 300s
frontend lan
    bind :8082
    unique-id-format %{{+X}}o%ci%cp%fi%fp%Ts%rt%pid
    unique-id-header X-Request-ID
    http-request capture req.hdr(Host) len 128
    http-request capture req.hdr(Referer) len 256
    http-request capture req.hdr(User-Agent) len 256
    http-request set-header X-Real-IP %[src]
    http-request set-header X-Forwarded-Proto http
    http-request set-header X-Forwarded-Host %[req.hdr(Host)]
    log-format '{{"time":"%[date,utime(%Y-%m-%dT%H:%M:%SZ)]","request_id":"%ID","client":"%ci","method":"%HM","scheme":"http",\
"host":"%[capture.req.hdr(0),json(utf8s)]","uri":"%[capture.req.uri,json(utf8s)]","protocol":"%HV","status":%ST,\
"bytes_in":%U,"bytes_out":%B,"seconds":%Ta,"upstream":"%si:%sp","upstream_status":"%ST","upstream_connect":"%Tc",\
"upstream_seconds":"%Tr","referer":"%[capture.req.hdr(1),json(utf8s)]","user_agent":"%[capture.req.hdr(2),json(utf8s)]"}}'
    use_backend web if {{ hdr(host) -i {HOST} }}
backend web
    http-reuse always
    server one {BOX}:3000
"""

# Does not log by default.
CADDY = f"""
{{
    admin off
    auto_https off
}}
http://{HOST}:8083 {{
    reverse_proxy {BOX}:3000
}}
"""


# The gateway's nginx: Debian's, or one with Lua built in, such as OpenResty's.
GATEWAY_NGINX = os.environ.get("FLATNET_NGINX", "/usr/sbin/nginx")

VERSIONS = {
    "nginx": ["nginx", "-v"],
    "gateway": [GATEWAY_NGINX, "-v"],
    "haproxy": ["haproxy", "-v"],
    "caddy": ["caddy", "version"],
    "wrk": ["dpkg-query", "-W", "-f", "${Version}", "wrk"],
}


class Server:
    """A server program in a network namespace, on given cores."""

    def __init__(self, name, argv, namespace, core, port):
        self.name, self.port = name, port
        self.log = f"{FOLDER}/{name}.out"
        address = BOX if namespace == "box" else GATEWAY
        with open(self.log, "w", encoding="utf-8") as output:
            # In a new session, so that `stop` ends its children too.
            self.process = subprocess.Popen(
                ["ip", "netns", "exec", namespace, "taskset", "--cpu-list", core, *argv], env={**os.environ, "HOME": FOLDER},
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            )
        try:
            await_true(f"{name} at port {port}", lambda: self.is_up(address, namespace))
        except Failed as failed:
            with open(self.log, encoding="utf-8") as output:
                raise Failed(f"{failed}\n{output.read()[-2000:]}") from failed

    def is_up(self, address, namespace):
        if self.process.poll() is not None:
            raise Failed(f"{self.name} ended with {self.process.returncode}")
        return is_listening(address, self.port, "box" if namespace == "box" else "lan")

    def stop(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def cpu(self):
        """CPU seconds of the server and its workers."""
        return sum(map(on_core, tree(self.process.pid))) / os.sysconf("SC_CLK_TCK")


def stat(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        # The name, in parentheses, may contain any characters.
        return file.read().rpartition(")")[2].split()


def on_core(pid):
    user, system = stat(pid)[11:13]
    return int(user) + int(system)


def tree(root):
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                parents[int(entry)] = int(stat(entry)[1])
            except FileNotFoundError:
                continue
    found = [root]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found


def write(name, text):
    path = f"{FOLDER}/{name}"
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def backend():
    sh(f"mkdir -p {FOLDER}")
    return Server("backend", ["nginx", "-c", write("box.conf", BACKEND)], "box", cores()[1], 3000)


def gateway(core):
    version = subprocess.run([GATEWAY_NGINX, "-V"], capture_output=True, text=True, check=True).stderr
    if "lua" in version and "--add-dynamic-module" not in version:
        sh(f"sed -i /^load_module/d {DIRECTORY}/conf/nginx.conf")
    argv = [GATEWAY_NGINX, "-p", DIRECTORY, "-c", "conf/nginx.conf", "-g", "daemon off;"]
    return Server("flatnet", argv, "windows", core, 80)


def every_core():
    return ",".join(map(str, sorted(os.sched_getaffinity(0))))


def rivals():
    core = cores()[0]
    yield gateway(core)
    yield Server("static", ["nginx", "-c", write("static.conf", STATIC)], "windows", core, 8081)
    yield Server("haproxy", ["haproxy", "-db", "-f", write("haproxy.cfg", HAPROXY)], "windows", core, 8082)
    caddy = ["caddy", "run", "--adapter", "caddyfile", "--config", write("Caddyfile", CADDY)]
    yield Server("caddy", caddy, "windows", core, 8083)
