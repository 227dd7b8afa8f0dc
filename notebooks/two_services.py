"""What the runbook of blue-green deployments is shown on: a shop that runs in one of two slots.

Each slot is a small HTTP service on this machine, with a port of its own. Visitors read the link
`current` each time they come: it is the router. The services end with `stop`, and also when the
process ends that has made them.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import urlopen

import sample

SERVICE = """\
import http.server, os, pathlib, sys, threading, time

slot, port, keeper = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
page = pathlib.Path("page.html").read_text()

class Shop(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(500 if "broken" in page else 200)
        self.send_header("X-Slot", slot)
        self.end_headers()
        self.wfile.write(page.encode())

    def log_message(self, *_):
        pass

def end_with_the_runbook():
    while os.path.exists("pid") and alive(keeper):
        time.sleep(0.2)
    os._exit(0)

def alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True

server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Shop)
pathlib.Path("pid").write_text(str(os.getpid()))
threading.Thread(target=end_with_the_runbook, daemon=True).start()
server.serve_forever()
"""
START = """\
import os, pathlib, shutil, subprocess, sys, time

place, keeper, slot = pathlib.Path(sys.argv[1]), sys.argv[2], os.environ["TEMPLEDB_SLOT"]
home, port = place / slot, os.environ["PORT"]
subprocess.run([sys.executable, "stop.py", str(place)], check=True)
home.mkdir(exist_ok=True)
shutil.copy("page.html", home)
(home / "port").write_text(port)
subprocess.Popen(
    [sys.executable, os.path.abspath("service.py"), slot, port, keeper], cwd=home,
    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    start_new_session=True,
)
while not (home / "pid").exists():
    time.sleep(0.05)
print("started in", slot, "while", os.environ["TEMPLEDB_LIVE_SLOT"] or "no slot", "serves")
"""
STOP = """\
import os, pathlib, signal, sys, time

pid = pathlib.Path(sys.argv[1], os.environ["TEMPLEDB_SLOT"], "pid")
if pid.exists():
    process = int(pid.read_text())
    try:
        os.kill(process, signal.SIGTERM)
        while True:
            os.kill(process, 0)
            time.sleep(0.05)
    except ProcessLookupError:
        pid.unlink()
"""
ASK = """\
import os, sys
from urllib.error import HTTPError
from urllib.request import urlopen

try:
    print(urlopen(f"http://127.0.0.1:{os.environ['PORT']}/", timeout=5).read().decode())
except HTTPError as error:
    sys.exit(f"{os.environ['TEMPLEDB_SLOT']} answers {error.code}")
"""
CONFIG = """\
groups:
  - name: web
    deploy_command: {python} start.py {live} {keeper}
    health_check:
      type: command
      command: {python} ask.py
      timeout: 5s
      interval: 1s
      deadline: 10s
      failure_threshold: 1
    blue_green:
      slots:
        blue: {{PORT: "{blue}"}}
        green: {{PORT: "{green}"}}
      router: {{type: symlink, path: {live}/current, to: "{{slot}}"}}
      keep_old: 1h
      soak: 2s
      retire_command: {python} stop.py {live}
targets:
  production: {{type: service}}
"""


@dataclass
class Visitors:
    """Somebody who asks for the page all the time, by a new connection each."""

    live: Path
    pages: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    _gone: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def come(self) -> None:
        """Begin to ask."""
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()

    def go(self) -> None:
        """End it."""
        self._gone.set()
        if self._thread is not None:
            self._thread.join()

    def _ask(self) -> None:
        while not self._gone.is_set():
            try:
                self.pages[page(self.live)] += 1
            except OSError as error:
                self.failed.append(str(error))
            time.sleep(0.02)


@dataclass
class Shop:
    """The project's folder, and the folder in which the slots and the link are."""

    folder: Path
    live: Path
    visitors: Visitors

    def release(self, text: str) -> None:
        """Write the page of the next release."""
        (self.folder / "page.html").write_text(f"<h1>{text}</h1>\n")

    def page(self) -> str:
        """Return what a visitor gets now."""
        return page(self.live)

    def stop(self) -> None:
        """End the visitors and the services."""
        self.visitors.go()
        for file in self.live.glob("*/pid"):
            with contextlib.suppress(OSError, ValueError):
                os.kill(int(file.read_text()), signal.SIGTERM)


def page(live: Path) -> str:
    """Read the link, and ask the slot that it names."""
    port = (live / "current" / "port").read_text()
    with urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
        return str(answer.read().decode()).strip()


def begin() -> Shop:
    """Make the project, and a state of its own."""
    home = Path(tempfile.mkdtemp(prefix="runbook-"))
    shop, live = home / "shop", home / "live"
    shop.mkdir()
    live.mkdir()
    os.environ["TEMPLEDB_STATE"] = str(home / "state.duckdb")
    blue, green = free_ports()
    config = CONFIG.format(
        python=sys.executable, live=live, keeper=os.getpid(), blue=blue, green=green
    )
    files = {"service.py": SERVICE, "start.py": START, "stop.py": STOP, "ask.py": ASK}
    for name, text in {**files, "templedb.yaml": config}.items():
        (shop / name).write_text(text)
    made = Shop(folder=shop, live=live, visitors=Visitors(live))
    made.release("Shoes, 49 EUR")
    sample.templedb("project", "import", str(shop))
    return made


def free_ports() -> tuple[int, int]:
    """Return two ports that nobody uses."""
    with socket.socket() as one, socket.socket() as other:
        for each in (one, other):
            each.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]
