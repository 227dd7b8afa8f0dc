"""A private nginx in front of two real HTTP services, one a slot; all of it ends with the block."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

PROGRAM = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
MISSING = "nginx is not on this machine"
CONTENT = """\
upstream shop { server 127.0.0.1:{slot:PORT}; keepalive 16; }
map $host $slot { default {slot}; }
"""
"""The file that a router of type template writes; nginx names the slot, whatever the service says."""
_CONF = """\
daemon off;
worker_processes 2;
pid {home}/nginx.pid;
error_log {home}/error.log notice;
{user}
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {home}/tmp-body;
    proxy_temp_path {home}/tmp-proxy;
    fastcgi_temp_path {home}/tmp-fastcgi;
    uwsgi_temp_path {home}/tmp-uwsgi;
    scgi_temp_path {home}/tmp-scgi;
    keepalive_requests 100000;
    include {home}/upstream.conf;
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        add_header X-Slot $slot always;
        location / {{
            proxy_pass http://shop;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_connect_timeout 5s;
        }}
    }}
}}
"""
_SERVICE = """\
import os, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

slot, port, version = sys.argv[1], int(sys.argv[2]), sys.argv[3]

class Shop(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65536

    def do_GET(self):
        if self.path.startswith("/slow"):
            time.sleep(float(self.path.partition("=")[2] or 5))
        if self.path.startswith("/until"):
            while not os.path.exists(self.path.partition("=")[2]):
                time.sleep(0.02)
        found, status = version, 200
        if version.startswith("/"):
            found = open(version).read().strip() if os.path.exists(version) else "none"
            status = 500 if os.path.exists(version + ".sick") else 200
        body = f"slot={slot} version={found}\\n".encode()
        self.send_response(status)
        self.send_header("X-Served-By", slot)
        self.send_header("X-Version", found)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

class Server(ThreadingHTTPServer):
    request_queue_size = 1024
    daemon_threads = True

server = Server(("127.0.0.1", port), Shop)
print("listens", flush=True)
server.serve_forever()
"""


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


@dataclass
class Service:
    """One slot's service: a process, which can be killed and started again on its port.

    A `version` that begins with a slash is the file that holds it; with ``.sick`` beside it, the
    service answers 500.
    """

    slot: str
    port: int = field(default_factory=free_port)
    version: str = "1"
    process: subprocess.Popen[str] | None = None

    def start(self, version: str = "") -> None:
        """Start it, and wait until it listens."""
        self.stop()
        self.version = version or self.version
        words = [sys.executable, "-c", _SERVICE, self.slot, str(self.port), self.version]
        self.process = subprocess.Popen(words, text=True, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "listens\n", "the service does not listen"

    def stop(self) -> None:
        """Kill it."""
        if self.process is not None:
            with self.process:
                self.process.kill()
            self.process = None


@dataclass
class Nginx:
    """A running nginx, its folder, and the services behind it by their slots."""

    home: Path
    port: int
    services: dict[str, Service]
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    @property
    def file(self) -> Path:
        """What a router of type template writes."""
        return self.home / "upstream.conf"

    @property
    def reload_command(self) -> str:
        return (
            f"{PROGRAM} -p {self.home} -c {self.home}/nginx.conf -e {self.home}/error.log -s reload"
        )

    def reload(self) -> None:
        subprocess.run(self.reload_command.split(), check=True, capture_output=True)

    def get(self, path: str = "/", timeout_s: float = 60) -> tuple[int, str, str]:
        """Return the status, the slot that nginx names, and the body, over a new connection."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        with contextlib.closing(connection):
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read().decode()
            return answer.status, answer.headers.get("X-Slot", ""), body


@contextmanager
def running(home: Path, slots: tuple[str, ...] = ("blue", "green")) -> Iterator[Nginx]:
    """Start the services and an nginx that sends everything to the first."""
    assert PROGRAM, MISSING
    home.mkdir(exist_ok=True)
    with ExitStack() as held:
        services = {slot: Service(slot) for slot in slots}
        for service in services.values():
            held.callback(service.stop)
            service.start()
        port = free_port()
        user = "user root;" if os.geteuid() == 0 else ""
        (home / "nginx.conf").write_text(_CONF.format(home=home, port=port, user=user))
        first = services[slots[0]]
        content = CONTENT.replace("{slot:PORT}", str(first.port)).replace("{slot}", first.slot)
        (home / "upstream.conf").write_text(content)
        words = [PROGRAM, "-p", str(home), "-c", f"{home}/nginx.conf", "-e", f"{home}/error.log"]
        process = held.enter_context(subprocess.Popen(words, stderr=subprocess.DEVNULL))
        held.callback(_end, process)
        started = Nginx(home=home, port=port, services=services, process=process)
        _wait(started)
        yield started


def _wait(started: Nginx) -> None:
    """Wait until it answers; raise with what it says if it does not live."""
    due = time.monotonic() + 60
    while started.process.poll() is None and time.monotonic() < due:
        with contextlib.suppress(OSError):
            if started.get()[0] == 200:
                return
        time.sleep(0.02)
    raise AssertionError((started.home / "error.log").read_text())


def _end(process: subprocess.Popen[bytes]) -> None:
    """End it at once, with its workers: they wait for requests that are under way, otherwise."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
