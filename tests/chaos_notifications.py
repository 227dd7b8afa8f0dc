"""Chaos around notifications: runs are killed at any instant, and the receiver fails a third of the time.

``python -m tests.chaos_notifications --runs 300`` prints a table. Half of the jobs meet kills at
random instants. Then one more command on the same state must bring every event of its records to the
receiver, in the order of each run, and doubles must carry one id. The other half has a twin without
receivers, which meets the same faults at the same places: exit codes and outcomes must be equal.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psycopg

from tests import postgres
from tests.chaos_rollback_job import RUN, Job, Tally, asked, preload
from tests.chaos_rollbacks import BAD, PARTS, POINTS, TARGETS, moment, ways
from tests.notification_servers import Got, drop, hook, reset, status

RUNS_OF_A_JOB = 6
SECRET = "s3cret-of-the-shop-42"
FAILURES = (status("500 Oops"), status("503 Busy"), status("408 Late"), reset, drop)


@dataclass
class Flaky:
    """A receiver that fails a third of the time; it keeps everything that came, and what it took."""

    chance: random.Random
    got: list[Got] = field(default_factory=list)
    taken: list[Got] = field(default_factory=list)
    turn: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, connection: socket.socket, got: Got, number: int) -> None:
        with self.turn:
            fails = self.chance.random() < 1 / 3
            answer = self.chance.choice(FAILURES) if fails else status("200 OK", b"ok")
            self.got.append(got)
            if not fails:
                self.taken.append(got)
        answer(connection, got, number)


def add(job: Job, url: str) -> None:
    """Let a receiver hear of everything that the job's records tell."""
    job.must("env", "set", "app", "API_KEY", SECRET, "--target", "t")
    job.must("notify", "add", "ops", "webhook", url, "--event", "*")


def release(job: Job, chance: random.Random) -> None:
    """Write the next release, a bad one now and then."""
    bad = chance.choice(BAD if "health" in job.parts else BAD[:3])
    bad = bad if chance.random() < 0.35 else ""
    job.release(bad)
    job.file("step.sh", f'echo "$API_KEY"\n{(job.home / "app/step.sh").read_text()}')


def run(job: Job, chance: random.Random, *, kills: bool) -> int:
    """Carry out one command that deploys, with a fault or without; return its exit code."""
    told = ways(job.last[1]) if job.last[0] else []
    words = chance.choice(told) if told and chance.random() < 0.7 else RUN
    if words == RUN:
        release(job, chance)
    fault = chance.random()
    point = ""
    if fault < 0.35:
        places = [*POINTS, *["notify.taken"] * 5] if kills else POINTS  # a twin has no receiver
        place = chance.choice(places)
        if place == "guard.looked" and job.target != "postgres":
            place = "run.begun"
        many = 1 if place == "notify.taken" else 3
        point = f"{place}@{chance.randint(1, many)}:kill9"
    process = job.start(*words, point=point)
    if kills and fault > 0.5:
        process.wait(moment(chance))
        process.send(signal.SIGKILL)
    code, _ = job.end(process)
    kind = "kill" if kills and fault > 0.5 else "point" if point else "none"
    job.tally.faults[kind] += 1
    return code


# --- what must be true ------------------------------------------------------------------------


def expected(job: Job) -> dict[str, dict[str, Any]]:
    """Return what the job's records tell, by id, as another process reads them."""

    def question() -> dict[str, dict[str, Any]]:
        from datetime import UTC, datetime

        from templedb_nb.app.container import Container
        from templedb_nb.core.notifications.filters import wants

        app = Container.open(job.home / job.state)
        (receiver,) = app.notices.receivers()
        long_ago = datetime(2000, 1, 1, tzinfo=UTC)
        outbox = app.notifications.outbox
        told = outbox.named(app.notices.recent_records(long_ago, datetime.now(UTC)))
        return {
            each.id: {"run": each.run, "kind": each.kind, "place": each.place}
            for each in told
            if wants(receiver, each) and each.at >= receiver.since
        }

    return dict(asked(question) or {})


def examine(job: Job, flaky: Flaky) -> None:
    """Compare what came with what the records tell."""
    wanted = expected(job)
    taken = [each.headers["webhook-id"] for each in flaky.taken]
    missing = [f"{each['kind']} of {each['run'][:13]}" for key, each in wanted.items()
               if key not in taken]  # fmt: skip
    if missing:
        job.wrong(f"{len(missing)} of {len(wanted)} events never came: {missing[:5]}")
    firsts: dict[str, list[int]] = {}
    for key in dict.fromkeys(taken):
        if (each := wanted.get(key)) and each["run"]:
            firsts.setdefault(each["run"], []).append(each["place"])
    for name, places in firsts.items():
        if places != sorted(places):
            job.wrong(f"events of run {name} came as {places}")
    same: dict[str, set[str]] = {}
    for each in flaky.got:
        event = each.event
        what = json.dumps([event["type"], event.get("subject"), event["time"], event["source"]])
        same.setdefault(what, set()).add(event["id"])
        if event["id"] != each.headers["webhook-id"]:
            job.wrong("a header has another id than its event")
    if several := {what: ids for what, ids in same.items() if len(ids) > 1}:
        job.wrong(f"doubles have several ids: {several}")
    job.tally.ends["events"] += len(wanted)
    job.tally.ends["doubles"] += sum(count - 1 for count in Counter(taken).values())
    job.tally.ends["refused by the receiver"] += len(flaky.got) - len(flaky.taken)


def leaks(job: Job, flaky: Flaky) -> None:
    """Look for the value of a variable in everything that went out, and in what was said."""
    for each in flaky.got:
        if SECRET.encode() in each.body or SECRET in str(each.headers) + each.path:
            job.wrong("the value of a variable was sent")
    for path in job.home.glob("said-*"):
        if SECRET in path.read_text(errors="replace") or "very-secret-token" in path.read_text():
            job.wrong(f"{path.name} has a secret")


def came_to(job: Job) -> list[list[Any]]:
    """Return what the runs of a job came to, as its state has it."""

    def question() -> list[Any]:
        import duckdb

        with duckdb.connect(f"duckdb:{job.home / job.state}", read_only=True) as file:
            return file.execute(
                "SELECT kind, outcome, exit_code, done, applied FROM runs ORDER BY run"
            ).fetchall()

    return list(asked(question) or [])


def killed(job: Job, seed: str) -> None:
    """Let runs be killed at any instant; then one more command sends what they owed."""
    flaky, chance = Flaky(random.Random(f"{seed} receiver")), random.Random(seed)
    with hook(flaky) as server:
        job.prepare()
        add(job, server.url)
        for _ in range(RUNS_OF_A_JOB):
            run(job, chance, kills=True)
        said = job.must("notify", "send", "--for", "120s")
        job.told.append(said.strip())
        examine(job, flaky)
    leaks(job, flaky)


def paired(job: Job, twin: Job, seed: str) -> None:
    """Let a job and its twin without receivers meet the same: nothing else may differ."""
    flaky = Flaky(random.Random(f"{seed} receiver"))
    codes: list[list[int]] = []
    with hook(flaky) as server:
        for own in (job, twin):
            chance = random.Random(seed)
            own.prepare()
            own.must("env", "set", "app", "API_KEY", SECRET, "--target", "t")
            if own is job:
                add(own, server.url)
            codes.append([run(own, chance, kills=False) for _ in range(RUNS_OF_A_JOB)])
            own.must("deploy", "history", "app")
        if codes[0] != codes[1]:
            job.wrong(f"exit codes {codes[0]}, and without receivers {codes[1]}: {twin.told}")
        with_, without = came_to(job), came_to(twin)
        if with_ != without:
            job.wrong(f"runs {with_}, and without receivers {without}")
        job.must("notify", "send", "--for", "120s")
        examine(job, flaky)
    leaks(job, flaky)


def rampage(runs: int, seed: int, only: frozenset[int] = frozenset()) -> Tally:
    """Run about so many deployments with receivers, in jobs; return what was found."""
    tally = Tally()
    preload()
    with (
        tempfile.TemporaryDirectory(prefix="chaos-") as place,
        tempfile.TemporaryDirectory(prefix="tdb-", dir="/tmp") as home,
        postgres.started(postgres.binaries(), Path(home)) as server,
    ):
        for number in range(-(-runs // RUNS_OF_A_JOB)):
            if only and number not in only:
                continue
            chance = random.Random(f"{seed} {number}")
            parts = frozenset(each for each in PARTS if chance.random() < 0.3)
            target = TARGETS[number // 2 % len(TARGETS)]
            name = f"notified_{seed}_{number}"
            job = Job(Path(place) / str(number), server.admin, name, target, tally, parts)
            twin = replace(job, home=Path(place) / f"{number}twin", name=f"{name}_twin", told=[])
            twin.good, twin.resolved = {}, set()
            try:
                if number % 2:
                    paired(job, twin, f"{seed} {number}")
                else:
                    killed(job, f"{seed} {number}")
            except Exception as error:  # noqa: BLE001 - whatever it is, the job is a failure
                job.wrong(f"not examined: {type(error).__name__}: {error}")
            tally.jobs += 1
            for each in (job.name, twin.name):
                with (
                    suppress(psycopg.Error),
                    psycopg.connect(server.admin, autocommit=True) as admin,
                ):
                    admin.execute(f"DROP DATABASE IF EXISTS {each} WITH (FORCE)".encode())
            if tally.jobs % 10 == 0:
                print(f"-- {tally.jobs} jobs, {len(tally.wrong)} wrong", flush=True)
    return tally


def main() -> None:
    """Print the table, and fail if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, nargs="+", default=[], help="these jobs alone")
    given = parser.parse_args()
    began = time.monotonic()
    tally = rampage(given.runs, given.seed, frozenset(given.only))
    print(f"== seed {given.seed}, {time.monotonic() - began:.0f} s\n{tally}")
    sys.exit(1 if tally.wrong else 0)


if __name__ == "__main__":
    main()
