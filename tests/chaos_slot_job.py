"""A job of the rampage of slots: a project between two slots, its router, and what it recorded."""

from __future__ import annotations

import json
import os
import shlex
import signal
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

from tests import nginx
from tests.chaos_rollback_job import Forked, Tally
from tests.nginx import Nginx, Service

DEPLOY = """\
log() {{
    answer="$(bash {home}/ask.sh 2> /dev/null)" || true
    echo "$1 $TEMPLEDB_RUN_ID $TEMPLEDB_SLOT ${{answer:-nobody}}" >> {home}/out
}}
log begin
sleep 0.05
test ! -e broken
echo "$TEMPLEDB_RELEASE" > {home}/slots/$TEMPLEDB_SLOT/new
mv {home}/slots/$TEMPLEDB_SLOT/new {home}/slots/$TEMPLEDB_SLOT/version
log end
"""
ASK = {
    "template": """\
exec 3<> /dev/tcp/127.0.0.1/{port}
printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3
sed -n 's/^X-Slot: \\([a-z]*\\).*/\\1/p' <&3
""",
    "symlink": 'basename "$(readlink {home}/current)"\n',
    "command": "cat {home}/router\n",
}
SLOTS = ("blue", "green")
WAIT = ("--lock-wait", "30")
RUN = ("deploy", "run", "app", *WAIT)
WHY = ("--reason", "a rampage")


@dataclass
class SlotJob:
    """One project on one target of its own: PostgreSQL, or no database."""

    home: Path
    admin: str
    name: str
    target: str
    router: str
    tally: Tally
    parts: frozenset[str]
    """What its config has beside slots: a soak, a rollback after a failure, hooks."""
    held: ExitStack = field(default_factory=ExitStack)
    services: dict[str, Service] = field(default_factory=dict)
    front: Nginx | None = None
    number: int = 0
    told: list[str] = field(default_factory=list)
    foreign: bool = False
    """Whether somebody else wrote to the router while a command ran that has begun last."""
    last: tuple[int, str] = (0, "")
    seen: int = 0
    excused: Counter[str] = field(default_factory=Counter)

    def prepare(self) -> None:
        """Start the services, write the project, and deploy its first release."""
        if self.target == "postgres":
            with psycopg.connect(self.admin, autocommit=True) as admin:
                admin.execute(f"CREATE DATABASE {self.name}".encode())
        (self.home / "app").mkdir(parents=True)
        for slot in SLOTS:
            (self.home / "slots" / slot).mkdir(parents=True)
        self._begin_services()
        port = self.front.port if self.front else 0
        (self.home / "ask.sh").write_text(ASK[self.router].format(home=self.home, port=port))
        self.file("deploy.sh", DEPLOY.format(home=self.home))
        self.file("templedb.yaml", json.dumps(self._config()))
        self.release()
        self.must("project", "import", "app")
        if self.target == "postgres":
            self.must("env", "set", "app", "DATABASE_URL", self.url, "--target", "t")
        code, said = self.say(*RUN)
        if code:
            raise AssertionError(f"the first release ended with {code}: {said}")

    def _begin_services(self) -> None:
        versions = {slot: str(self.home / "slots" / slot / "version") for slot in SLOTS}
        if self.router == "template":
            self.front = self.held.enter_context(nginx.running(self.home / "nginx"))
            self.services = self.front.services
        else:
            self.services = {slot: Service(slot) for slot in SLOTS}
        for slot, service in self.services.items():
            self.held.callback(service.stop)
            service.start(versions[slot])

    def _config(self) -> dict[str, Any]:
        check = {
            "type": "http",
            "url": "http://127.0.0.1:{slot:PORT}/",
            "expect_body": "slot={slot} ",
            "expect_version": "{release}",
            "interval": 1,
            "timeout": 5,
            "deadline": 6,
            "failure_threshold": 2,
        }
        wanted: dict[str, Any] = {
            "slots": {slot: {"PORT": str(each.port)} for slot, each in self.services.items()},
            "router": self._router(),
            "keep_old": 0,
            "confirm": 2,
            "switch_timeout": 10,
        }
        if "soak" in self.parts:
            wanted["soak"] = 2
        if "hooks" in self.parts:
            wanted |= {"drain": "true", "undrain": "true", "retire_command": "true"}
        group = {
            "name": "web",
            "deploy_command": "bash deploy.sh",
            "health_check": check,
            "blue_green": wanted,
        }
        groups: list[dict[str, Any]] = [group]
        if self.target == "postgres":
            groups.insert(0, {"name": "migrations", "file_patterns": ["migrations/*.sql"]})
        more = {"on_failure": "rollback"} if "rollback" in self.parts else {}
        return {"groups": groups, "targets": {"t": {}}, **more}

    def _router(self) -> dict[str, Any]:
        """Return the router; its command fails while ``block`` is there, or ``late``: having worked."""
        block, late = f"test ! -e {self.home}/block", f"test ! -e {self.home}/late"
        match self.router:
            case "symlink":
                to = f"{self.home}/slots/{{slot}}"
                return {"type": "symlink", "path": f"{self.home}/current", "to": to}
            case "template":
                assert self.front is not None
                return {
                    "type": "template",
                    "file": str(self.front.file),
                    "content": nginx.CONTENT,
                    "reload_command": f"{block} && {self.front.reload_command} && {late}",
                    "status": {"url": self.front.url, "header": "X-Slot"},
                }
            case _:
                write = f'echo "$TEMPLEDB_TO_SLOT" > {self.home}/router.new'
                move = f"mv {self.home}/router.new {self.home}/router"
                return {
                    "type": "command",
                    "switch_command": f"{block} && {write} && {move} && {late}",
                    "status": {"command": f"cat {self.home}/router || echo blue"},
                }

    @property
    def url(self) -> str:
        url = psycopg.conninfo.conninfo_to_dict(self.admin)
        password = quote(str(url["password"]), safe="")
        return f"postgresql://{url['user']}:{password}@{url['host']}:{url['port']}/{self.name}"

    @property
    def environ(self) -> dict[str, str]:
        """Return the environment of the job's own user."""
        own = {"HOME": str(self.home), "XDG_CONFIG_HOME": str(self.home / "c")}
        own |= {"TEMPLEDB_USER": "rosa", "TEMPLEDB_STATE": str(self.home / "state.duckdb")}
        return {k: v for k, v in os.environ.items() if not k.startswith("TEMPLEDB_")} | own

    def file(self, name: str, text: str) -> None:
        """Write a file of the project."""
        path = self.home / "app" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def release(self, *, broken: bool = False) -> None:
        """Write the next release; a broken one fails in its deploy command."""
        self.number += 1
        self.file("number.txt", f"{self.number}\n")
        (self.home / "app/broken").unlink(missing_ok=True)
        if broken:
            self.file("broken", "")
        if self.target == "postgres" and self.number % 2:
            self.file(f"migrations/{self.number:03}.sql", f"CREATE TABLE t{self.number} (id int);")

    # --- what happens around it ---------------------------------------------------------------

    def asked(self) -> str:
        """Return what the router answers to whoever asks it, not us."""
        import subprocess

        ask = ["bash", str(self.home / "ask.sh")]
        return subprocess.run(ask, capture_output=True, text=True, check=False).stdout.strip()

    def write_router(self, slot: str) -> None:
        """Point the router to a slot, or to nothing that we know, as another tool would."""
        self.foreign = True
        match self.router:
            case "symlink":
                other = self.home / "other"
                other.unlink(missing_ok=True)
                other.symlink_to(self.home / "slots" / slot)
                other.replace(self.home / "current")
            case "template":
                assert self.front is not None
                port = self.services[slot].port if slot in self.services else 1
                text = nginx.CONTENT.replace("{slot:PORT}", str(port)).replace("{slot}", slot)
                self.front.file.write_text(text)
                self.front.reload()
                self._wait_for(slot)
            case _:
                (self.home / "router").write_text(f"{slot}\n")

    def _wait_for(self, slot: str) -> None:
        """A reload has returned before its answers are new: ask until several in a row are."""
        row, until = 0, time.monotonic() + 20
        while row < 5 and time.monotonic() < until:
            row = row + 1 if self.asked() == slot else 0

    def mend(self) -> None:
        """Take away what the faults left around the project."""
        for name in ("block", "late"):
            (self.home / name).unlink(missing_ok=True)
        for slot, service in self.services.items():
            (self.home / "slots" / slot / "version.sick").unlink(missing_ok=True)
            if service.process is None or service.process.poll() is not None:
                service.start()

    # --- commands -----------------------------------------------------------------------------

    def start(self, *words: str, point: str = "") -> Forked:
        """Begin a command."""
        environ = self.environ | ({"TEMPLEDB_FAILPOINT": point} if point else {})
        self.foreign = False
        return Forked(words, self.home, environ)

    def end(self, process: Forked) -> tuple[int, str]:
        """Wait for a command, and note how it ended."""
        code, said = process.ended(240)
        self.told.append(f"{shlex.join(process.words[1:4])} -> {code}")
        self.tally.ends[f"{process.words[1]} {code}"] += 1
        self.last = code, said
        if code == -99 or "Traceback" in said or (code == 1 and "TEMPLEDB_FAILPOINT" not in said):
            self.wrong(f"{shlex.join(process.words)} ended with {code}: {said[-1500:]}")
        self.look_at_deployments()
        return code, said

    def say(self, *words: str) -> tuple[int, str]:
        """Carry out a command; return its exit code and what it said."""
        return self.end(self.start(*words))

    def must(self, *words: str) -> str:
        """Carry out a command that has no reason to fail; return what it said."""
        code, said = Forked(words, self.home, self.environ).ended()
        if code:
            self.wrong(f"{shlex.join(words)} ended with {code}: {said[-800:]}")
        return said

    def look_at_deployments(self) -> None:
        """Nobody has deployed into the slot that the router named then."""
        path = self.home / "out"
        lines = path.read_text().splitlines() if path.exists() else []
        for line in lines[self.seen :]:
            _, run, slot, answered = line.split()
            if slot == answered and self.foreign:
                self.excused["somebody else's switch during the deployment"] += 1
            elif slot == answered:
                self.wrong(f"run {run} deployed into {slot}, which was live")
        self.seen = len(lines)

    def wrong(self, what: str) -> None:
        """Count something that must not be."""
        where = f"{self.name} ({self.target}, {self.router}, {sorted(self.parts)})"
        told = f"{where}: {what}\n    {self.told}"
        self.tally.wrong.append(told)
        print(f"WRONG {told}", flush=True)

    def json(self, *words: str) -> dict[str, Any]:
        """Return the last document that a command prints."""
        lines = [line for line in self.must(*words, "--json").splitlines() if line.startswith("{")]
        found: dict[str, Any] = json.loads(lines[-1]) if lines else {}
        return found

    def ledger(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the target itself; nothing where there is no ledger."""
        if self.target != "postgres":
            return []
        dsn = psycopg.conninfo.make_conninfo(self.admin, dbname=self.name)
        with psycopg.connect(dsn, autocommit=True) as connection:
            return connection.execute(query.encode()).fetchall()

    def close(self) -> None:
        """End its services, and drop its database."""
        self.held.close()
        if self.target == "postgres":
            with psycopg.connect(self.admin, autocommit=True) as admin:
                admin.execute(f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)".encode())


def kill(process: Forked, after_s: float) -> None:
    """Kill a command at some instant."""
    process.wait(after_s)
    process.send(signal.SIGKILL)
