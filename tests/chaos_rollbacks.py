"""Chaos around rollbacks: bad releases go back while everything around them breaks.

``python -m tests.chaos_rollbacks --jobs 200 --faults 3`` prints a table. Each job is a project on a
target of its own; its releases are good or bad, its commands meet faults. Then plain commands, and
what their refusals tell, must bring a good release into place, and nothing may have been rolled
back twice.
"""

from __future__ import annotations

import argparse
import random
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psycopg
from filelock import FileLock

from templedb_nb.failpoints import PLACES
from tests import chaos_rollback_records as records
from tests import postgres
from tests.chaos_rollback_job import BACK, RUN, WAIT, WHY, Job, Tally, preload

FAULTS = ("kill", "point", "point", "point", "point", "terminate", "rival", "full-disk",
          "locked-state", "second-state", "interrupt", "interrupt twice", "blocked")  # fmt: skip
BAD = ("broken", "hook", "slow", "sick")
POINTS = [
    each
    for each in PLACES
    if each.startswith(("run.", "step.", "command.", "rollback.", "health."))
    or each == "guard.looked"
]
TARGETS = ("postgres", "postgres", "duckdb", "postgres", "postgres", "none")
PARTS = ("health", "rollback_command", "cancel")
WAYS = 14


def moment(chance: random.Random) -> float:
    """Return when something happens to a command that has begun."""
    return chance.uniform(0.05, 2.2)


def next_words(job: Job, chance: random.Random) -> tuple[str, ...]:
    """Return the command that meets a fault: what a refusal told, or a release, or the way back."""
    told = ways(job.last[1])
    if job.last[0] and told and chance.random() < 0.6:
        return chance.choice(told)
    kind = chance.random()
    if kind < 0.6:
        bad = chance.choice(BAD if "health" in job.parts else BAD[:3])
        job.release(bad)
        job.told.append(f"release {job.number} {bad}")
        return RUN
    if kind < 0.85:
        return BACK
    job.release()
    return RUN


def ways(said: str) -> list[tuple[str, ...]]:
    """Return the commands that a refusal names."""
    found: list[tuple[str, ...]] = []
    for name in re.findall(r"templedb deploy resume(?: (\S*[0-9a-f]))?", said):
        run = (name,) if name else ()
        found.append(("deploy", "resume", "app", *run, *WAIT))
    found += [("run", "resolve", "app", name, *WHY)
              for name in re.findall(r"templedb run\s+resolve (\S+)", said)]  # fmt: skip
    if "templedb deploy rollback" in said:
        found.append(BACK)
    return list(dict.fromkeys(found))


# --- faults -----------------------------------------------------------------------------------


def _kill(job: Job, words: tuple[str, ...], chance: random.Random) -> None:
    process = job.start(*words)
    process.wait(moment(chance))
    process.send(signal.SIGKILL)
    job.end(process)


def _point(job: Job, words: tuple[str, ...], chance: random.Random) -> None:
    place = chance.choice([*POINTS, "rollback.owed", "run.before-end", "run.ended", "command.ran"])
    if place == "guard.looked" and job.target != "postgres":
        place = "run.begun"
    many = place.startswith(("step.", "command."))
    count = chance.randint(1, 9) if many else chance.randint(1, 2)
    action = chance.choice(("kill9", "kill9", "error", "drop"))
    point = f"{place}@{count}:{action}"
    job.told.append(point)
    code, said = job.end(job.start(*words, point=point))
    if code == -signal.SIGKILL or f"failed at {place}" in said:
        job.tally.points[f"{place} {'parent' if count == 1 else 'later'} {action}"] += 1


def _terminate(job: Job, words: tuple[str, ...], chance: random.Random) -> None:
    process = job.start(*words)
    process.wait(moment(chance))
    if job.target == "postgres":
        with suppress(psycopg.Error), psycopg.connect(job.admin, autocommit=True) as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                [job.name],
            )
    job.end(process)


def _rival(job: Job, words: tuple[str, ...], chance: random.Random) -> None:
    """Start a second command at the same time; a target without a database has no lock for it."""
    process = job.start(*words)
    process.wait(moment(chance) / 2)
    others = [RUN, BACK, ("deploy", "resume", "app", *WAIT)]
    rival = job.start(*chance.choice(others)) if job.target != "none" else None
    if rival and chance.random() < 0.5:
        process.wait(moment(chance) / 2)
        chance.choice((process, rival)).send(signal.SIGKILL)
    if rival:
        job.end(rival, quiet=True)
    job.end(process)


def _full_disk(job: Job, words: tuple[str, ...], chance: random.Random) -> None:
    size = (job.home / job.state).stat().st_size
    if job.target == "duckdb":
        size = min(size, (job.home / "target.duckdb").stat().st_size)
    job.end(job.start(*words, limit=max(1, int(size * chance.uniform(0.01, 1.0)))))


def _locked_state(job: Job, words: tuple[str, ...], chance: random.Random) -> None:
    process = job.start(*words)
    process.wait(moment(chance))
    with FileLock(job.home / f"{job.state}.lock").acquire(timeout=60):
        time.sleep(moment(chance))
    job.end(process)


def _second_state(job: Job, words: tuple[str, ...], chance: random.Random) -> None:
    """Let the first state's command die, and another state come along with the same."""
    _kill(job, words, chance)
    mine, job.state = job.state, "other.duckdb"
    if not (job.home / job.state).exists():
        job.introduce()
    if chance.random() < 0.5:
        _kill(job, next_words(job, chance), chance)
    else:
        job.say(*next_words(job, chance))
    if job.target == "none" or chance.random() < 0.7:
        job.state = mine


def _interrupt(job: Job, words: tuple[str, ...], chance: random.Random, count: int = 1) -> None:
    process = job.start(*words)
    for _ in range(count):
        process.wait(max(0.9, moment(chance)))
        process.send(signal.SIGINT)
    job.end(process)


def _blocked(job: Job, words: tuple[str, ...], chance: random.Random) -> None:
    """Let a command of the release that is gone back to fail."""
    good = [each for each in job.out if each[3].isalnum()]
    (job.home / "block").write_text(f"{good[-1][3]} {chance.choice(('web', 'api'))}\n")
    job.say(*words)
    if chance.random() < 0.5:
        (job.home / "block").unlink()


_FAULTS: dict[str, Callable[[Job, tuple[str, ...], random.Random], None]] = {
    "kill": _kill,
    "point": _point,
    "terminate": _terminate,
    "rival": _rival,
    "full-disk": _full_disk,
    "locked-state": _locked_state,
    "second-state": _second_state,
    "interrupt": _interrupt,
    "interrupt twice": lambda job, words, chance: _interrupt(job, words, chance, count=2),
    "blocked": _blocked,
}


# --- the end ----------------------------------------------------------------------------------


def finish(job: Job, chance: random.Random) -> bool:
    """Deploy a good release as its users would: do what refusals tell."""
    (job.home / "block").unlink(missing_ok=True)
    version, tried, code, said = job.release(), 0, 1, ""
    while tried < WAYS:
        code, said = job.say(*RUN)
        if code == 0:
            break
        tried += 1
        told = [each for each in ways(said) if each != BACK] or ways(said)
        if code == 13 and "rollback" in said.split("error:")[-1] and len(told) < 2:
            job.wrong(f"a refusal does not tell both commands: {said[-600:]}")
        if told:
            way = chance.choice(told)
            job.say(*way)
    if code:
        job.wrong(f"never finished: {said[-900:]}")
        return False
    last = {each[2]: each[3] for each in job.out}
    if set(last.values()) != {version}:
        job.wrong(f"{version} is deployed, and in place is {last}")
    return True


def one(job: Job, faults: list[str], chance: random.Random) -> None:
    """Let a job meet its faults, and bring it to its end."""
    job.prepare()
    for fault in faults:
        words = next_words(job, chance)
        job.tally.faults[fault] += 1
        job.told.append(f"[{fault}]")
        before = records.pending(job)
        _FAULTS[fault](job, words, chance)
        records.examine(job, before, words)
    if finish(job, chance):
        records.examine(job, None, RUN)
        records.back_again(job, chance)


def rampage(jobs: int, faults: int, seed: int, only: frozenset[int] = frozenset()) -> Tally:
    """Run *jobs*, each through *faults* faults; return what was found."""
    tally = Tally()
    preload()
    with (
        tempfile.TemporaryDirectory(prefix="chaos-") as place,
        tempfile.TemporaryDirectory(prefix="tdb-", dir="/tmp") as home,
        postgres.started(postgres.binaries(), Path(home)) as server,
    ):
        for number in range(jobs):
            chance = random.Random(f"{seed} {number}")
            mine = [chance.choice(FAULTS) for _ in range(faults)]
            parts = frozenset(each for each in PARTS if chance.random() < 0.3)
            if only and number not in only:
                continue
            target = TARGETS[number % len(TARGETS)]
            name = f"rollbacks_{seed}_{number}"
            job = Job(Path(place) / str(number), server.admin, name, target, tally, parts)
            try:
                one(job, mine, chance)
            except Exception as error:  # noqa: BLE001 - whatever it is, the job is a failure
                job.wrong(f"not examined: {type(error).__name__}: {error}")
            tally.jobs += 1
            with suppress(psycopg.Error), psycopg.connect(server.admin, autocommit=True) as admin:
                admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())
            if tally.jobs % 10 == 0:
                print(f"-- {tally.jobs} jobs, {len(tally.wrong)} wrong", flush=True)
    return tally


def main() -> None:
    """Print the table, and fail if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--faults", type=int, default=3, help="faults in each job")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, nargs="+", default=[], help="these jobs alone")
    given = parser.parse_args()
    began = time.monotonic()
    tally = rampage(given.jobs, given.faults, given.seed, frozenset(given.only))
    print(f"== seed {given.seed}, {time.monotonic() - began:.0f} s\n{tally}")
    sys.exit(1 if tally.wrong else 0)


if __name__ == "__main__":
    main()
