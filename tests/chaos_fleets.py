"""Chaos around fleets: rollouts are killed at any instant, and each target has each file once.

``python -m tests.chaos_fleets --runs 10 --targets 200 --kind postgres`` prints a table. Each run is
a project of three releases on that many databases (or DuckDB files). Every rollout is killed some
times, at a random moment or place, and resumed, until it is done. Behind each kill, no target may
count as done that is not; at the end, each target has each migration exactly once, none is locked,
and the last `fleet status` says so.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import psycopg

from tests import postgres
from tests.forked import command

PLACES = (
    "rollout.begun", "rollout.ended", "rollout.recorded", "run.before-lock", "run.locked",
    "run.begun", "apply.begun", "apply.ran", "apply.commit-sent", "apply.committed", "step.done",
    "run.before-end", "run.ended", "run.told",
)  # fmt: skip
RELEASES = (("001", "002"), ("003",), ("004", "005"))
KILLS = 3
"""So many kills a rollout meets, before it may go on to its end."""
LONGEST_S = 900
DONE = {"succeeded", "current"}


@dataclass
class Tally:
    """What was found wrong, and how often each fault was met."""

    faults: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    told: list[str] = field(default_factory=list)

    def add(self, kind: str, what: str) -> None:
        self.wrong[kind] += 1
        self.told.append(f"{kind}: {what}")


class Tenants:
    """Databases or files, with a project whose files count how often they ran."""

    def __init__(self, folder: Path, count: int, server: postgres.Server | None, run: int) -> None:
        self.folder, self.server = folder, server
        self.names = [f"t{number:04}" for number in range(count)]
        self.prefix = f"chaos_{os.getpid()}_{run}"
        self.env = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("TEMPLEDB_", "PG"))},
            "HOME": str(folder), "TEMPLEDB_STATE": str(folder / "state.duckdb"),
            "XDG_CONFIG_HOME": str(folder / "config"), "TEMPLEDB_USER": "rosa",
        }  # fmt: skip

    def begin(self) -> None:
        (self.folder / "app" / "migrations").mkdir(parents=True)
        self.release(0)
        self.said("state", "init")
        self.said("project", "import", "app")
        self.said("deploy", "init", "app")
        (self.folder / "t.csv").write_text("name\n" + "".join(f"{n}\n" for n in self.names))
        self.said("target", "import", "app", "t.csv")
        if self.server is None:
            url = f"template:duckdb:{self.folder}/{{name}}.duckdb"
        else:
            given = psycopg.conninfo.conninfo_to_dict(self.server.admin)
            self.said("env", "set", "app", "DB_PASSWORD", text=str(given.get("password", "")))
            where = f"{given['host']}:{given['port']}/{self.prefix}_{{name}}"
            url = f"template:postgresql://{given['user']}:{{DB_PASSWORD}}@{where}"
        self.said("env", "set", "app", "DATABASE_URL", url)
        self.said(
            "fleet", "define", "app", "all", "--where", "name", "--wave", "1", "--wave", "20%"
        )

    def release(self, number: int) -> None:
        for key in RELEASES[number]:
            first = "CREATE TABLE ran (file text);\n" if key == "001" else ""
            text = f"{first}INSERT INTO ran VALUES ('{key}');\n"
            if key == "004" and self.server is not None:
                text = f"CREATE INDEX CONCURRENTLY i_{key} ON ran (file);\n{text}"
            (self.folder / "app" / "migrations" / f"{key}.sql").write_text(text)

    def said(self, *words: str, text: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(words), cwd=self.folder, env=self.env, input=text, text=True,
            capture_output=True, timeout=LONGEST_S, check=False,
        )  # fmt: skip

    def ran(self, name: str) -> Counter[str]:
        """Return how often each file ran there."""
        try:
            if self.server is None:
                path = self.folder / f"{name}.duckdb"
                if not path.exists():
                    return Counter()
                with duckdb.connect(str(path), read_only=True) as here:
                    return Counter(f for (f,) in here.execute("SELECT file FROM ran").fetchall())
            with psycopg.connect(self.server.database(f"{self.prefix}_{name}")) as there:
                return Counter(f for (f,) in there.execute("SELECT file FROM ran").fetchall())
        except (duckdb.CatalogException, psycopg.errors.UndefinedTable):
            return Counter()

    @contextmanager
    def databases(self) -> Iterator[None]:
        if self.server is None:
            yield
            return
        with psycopg.connect(self.server.admin, autocommit=True) as admin:
            for name in self.names:
                admin.execute(f"CREATE DATABASE {self.prefix}_{name}".encode())
            try:
                yield
            finally:
                for name in self.names:
                    admin.execute(f"DROP DATABASE {self.prefix}_{name} WITH (FORCE)".encode())


def rolled_out(tenants: Tenants, chance: random.Random, number: int, tally: Tally) -> None:
    """Plan a release, carry it out through kills, and examine it."""
    wanted = {key for release in RELEASES[: number + 1] for key in release}
    made = tenants.said("fleet", "plan", "app", "all", "--json")
    plan = json.loads(made.stdout.splitlines()[-1])["id"]
    words: tuple[str, ...] = (
        "fleet",
        "run",
        "app",
        plan,
        "--parallel",
        str(chance.choice((1, 4, 8))),
    )
    for _ in range(KILLS):
        killed(tenants, words, chance, tally)
        told = tenants.said("fleet", "status", "app", plan, "--json")
        for each in json.loads(told.stdout.splitlines()[-1])["members"]:
            if each["state"] in DONE and set(tenants.ran(each["target"])) != wanted:
                tally.add("done but not", f"{each['target']} in release {number}")
        words = ("fleet", "resume", "app", plan)
    ended = tenants.said(*words)
    for _ in range(3):
        if ended.returncode == 0:
            break
        tally.add("resumed again", ended.stdout[-2000:])
        ended = tenants.said(*words)
    if ended.returncode:
        tally.add("stuck", ended.stdout[-2000:] + ended.stderr[-2000:])
    for name in tenants.names:
        found = tenants.ran(name)
        if any(count > 1 for count in found.values()):
            tally.add("doubled", f"{name}: {found}")
        if set(found) != wanted:
            tally.add("lost", f"{name}: {sorted(wanted - set(found))}")


def killed(tenants: Tenants, words: tuple[str, ...], chance: random.Random, tally: Tally) -> None:
    """Begin a rollout, and kill its process at a moment or a place."""
    env = dict(tenants.env)
    if chance.random() < 0.5:
        place = chance.choice(PLACES)
        env["TEMPLEDB_FAILPOINT"] = f"{place}@{chance.choice((1, 1, 2, 3))}:kill9"
        tally.faults[place] += 1
    child = subprocess.Popen(
        command(words), cwd=tenants.folder, env=env, text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    if "TEMPLEDB_FAILPOINT" not in env:
        tally.faults["kill"] += 1
        with suppress(subprocess.TimeoutExpired):
            child.wait(chance.uniform(0.5, 0.5 + 0.15 * len(tenants.names)))
        child.kill()
    child.wait(LONGEST_S)


def rampage(runs: int, count: int, kind: str, seed: int) -> Tally:
    """Return what went wrong in so many runs."""
    tally = Tally()
    holder = postgres.server() if kind == "postgres" else nullcontext()
    with holder as server:
        for run in range(runs):
            chance = random.Random(f"{seed} {run}")
            folder = Path(tempfile.mkdtemp(prefix="chaos-fleet-"))
            tenants = Tenants(folder, count, server, run)
            begun = time.monotonic()
            with tenants.databases():
                tenants.begin()
                for number in range(len(RELEASES)):
                    if number:
                        tenants.release(number)
                    rolled_out(tenants, chance, number, tally)
            shutil.rmtree(folder)
            print(f"-- run {run + 1}, {time.monotonic() - begun:.0f} s", *tally.told, sep="\n")
            tally.told.clear()
            sys.stdout.flush()
    return tally


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--targets", type=int, default=30)
    parser.add_argument("--kind", choices=("postgres", "duckdb"), default="postgres")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    tally = rampage(given.runs, given.targets, given.kind, given.seed)
    for name, count in sorted(tally.faults.items()):
        print(f"  {name:24}{count:6}")
    for name in ("doubled", "lost", "done but not", "stuck", "resumed again"):
        print(f"{name:26}{tally.wrong[name]:6}")
    return int(any(tally.wrong.values()))


if __name__ == "__main__":
    sys.exit(main())
