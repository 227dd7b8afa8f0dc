"""Chaos around slots: everything breaks while traffic is switched, and nobody hits the live slot.

``python -m tests.chaos_slots --jobs 200 --faults 3`` prints a table. Each job is a project between
two slots with real services, behind a link, an nginx or commands; its commands meet faults. Then
plain commands, and what their refusals tell, must bring a good release into the live slot, and
router, ledger and history must agree.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psycopg

from templedb_nb.failpoints import PLACES
from tests import nginx, postgres
from tests.chaos_rollback_job import Tally, preload
from tests.chaos_slot_job import RUN, SLOTS, WAIT, WHY, SlotJob, kill

FAULTS = ("kill", "kill", "point", "point", "service dies", "reload fails", "breach", "foreign")
POINTS = [
    each
    for each in PLACES
    if each.startswith(("run.", "step.", "command.", "health.", "switch.", "router."))
]
ROUTERS = ("template", "symlink", "command") if nginx.PROGRAM else ("symlink", "command")
TARGETS = ("postgres", "none")
PARTS = ("soak", "rollback", "hooks")
WAYS = 14
_RUN = r"[0-9a-f]{8}-[0-9a-f-]+"


def moment(chance: random.Random) -> float:
    """Return when something happens to a command that has begun."""
    return chance.uniform(0.05, 6.0)


def next_words(job: SlotJob, chance: random.Random) -> tuple[str, ...]:
    """Return the command that meets a fault: what a refusal told, a release, or a switch."""
    told = ways(job.last[1])
    if job.last[0] and told and chance.random() < 0.5:
        return chance.choice(told)
    if chance.random() < 0.2:
        return ("deploy", "switch", chance.choice(SLOTS), *WHY)
    job.release(broken=chance.random() < 0.15)
    return RUN


def ways(said: str) -> list[tuple[str, ...]]:
    """Return the commands that a refusal names."""
    found: list[tuple[str, ...]] = []
    for name in re.findall(rf"templedb deploy resume(?: (?:app )?({_RUN}))?", said):
        run = (name,) if name else ()
        found.append(("deploy", "resume", "app", *run, *WAIT))
    found += [("run", "resolve", "app", name, *WHY)
              for name in re.findall(rf"templedb run\s+resolve (?:app )?({_RUN})", said)]  # fmt: skip
    found += [("deploy", "switch", slot, *WHY)
              for slot in re.findall(r"templedb deploy switch (?:app )?(blue|green)", said)]  # fmt: skip
    if "templedb deploy switch SLOT" in said:
        found += [("deploy", "switch", slot, *WHY) for slot in SLOTS]
    found += [("deploy", "slots", "app", how, *WAIT)
              for how in re.findall(r"templedb deploy slots\b.*(--clean|--retire)", said)]  # fmt: skip
    if "--discard-old" in said:
        found.append((*RUN, "--discard-old"))
    if re.search(r"templedb deploy rollback", said):
        found.append(("deploy", "rollback", "app", *WAIT))
    return list(dict.fromkeys(found))


# --- faults -----------------------------------------------------------------------------------


def _kill(job: SlotJob, words: tuple[str, ...], chance: random.Random) -> None:
    process = job.start(*words)
    kill(process, moment(chance))
    job.end(process)


def _point(job: SlotJob, words: tuple[str, ...], chance: random.Random) -> None:
    switch = [each for each in POINTS if each.startswith(("switch.", "router."))]
    place = chance.choice(chance.choice((POINTS, switch)))
    count = chance.randint(1, 6) if place.startswith(("step.", "command.", "health.")) else 1
    point = f"{place}@{count}:{chance.choice(('kill9', 'kill9', 'error'))}"
    job.told.append(point)
    code, said = job.end(job.start(*words, point=point))
    if code < 0 or f"failed at {place}" in said:
        job.tally.points[place] += 1


def _service_dies(job: SlotJob, words: tuple[str, ...], chance: random.Random) -> None:
    process = job.start(*words)
    process.wait(moment(chance) / 2)
    slot = chance.choice(SLOTS)
    job.told.append(f"{slot} dies")
    job.services[slot].stop()
    job.end(process)


def _reload_fails(job: SlotJob, words: tuple[str, ...], chance: random.Random) -> None:
    flag = job.home / chance.choice(("block", "late"))
    flag.touch()
    job.end(job.start(*words))
    if chance.random() < 0.7:
        flag.unlink()


def _breach(job: SlotJob, words: tuple[str, ...], chance: random.Random) -> None:
    """Let the new slot fall ill as soon as traffic goes there; perhaps the old one, too."""
    before = job.asked()
    process = job.start(*words)
    while process.poll() is None and job.asked() in {before, ""}:
        time.sleep(0.05)
    slots = [job.asked()] if chance.random() < 0.7 else list(SLOTS)
    for slot in slots:
        if slot in SLOTS:
            (job.home / "slots" / slot / "version.sick").touch()
    job.told.append(f"{slots} fall ill")
    job.end(process)


def _foreign(job: SlotJob, words: tuple[str, ...], chance: random.Random) -> None:
    process = job.start(*words)
    process.wait(moment(chance))
    slot = chance.choice((*SLOTS, *SLOTS, "purple"))
    job.told.append(f"somebody else points to {slot}")
    job.write_router(slot)
    job.end(process)


_FAULTS: dict[str, Callable[[SlotJob, tuple[str, ...], random.Random], None]] = {
    "kill": _kill,
    "point": _point,
    "service dies": _service_dies,
    "reload fails": _reload_fails,
    "breach": _breach,
    "foreign": _foreign,
}


# --- what must be true ------------------------------------------------------------------------


def finish(job: SlotJob, chance: random.Random) -> None:
    """Deploy a good release as its users would: do what refusals tell."""
    job.mend()
    if job.asked() not in SLOTS:
        job.write_router(chance.choice(SLOTS))  # who broke the router mends it
    job.release()
    for _ in range(WAYS):
        code, said = job.say(*RUN)
        if code == 0:
            break
        if told := ways(said):
            job.say(*chance.choice(told))
    else:
        job.wrong(f"never finished: {job.last[1][-900:]}")
        return
    agree(job)


def agree(job: SlotJob) -> None:
    """After a success, router, record, services, ledger and history say the same."""
    live = job.asked()
    (group,) = job.json("deploy", "slots", "app")["groups"]
    states = {each["slot"]: each["state"] for each in group["records"]}
    if group["reading"]["slot"] != live:
        job.wrong(f"the router names {live}, and deploy slots {group['reading']}")
    if [slot for slot, state in states.items() if state == "live"] != [live]:
        job.wrong(f"the router names {live}, and the record has {states}")
    history = job.json("deploy", "history", "app")["rows"]
    unfinished = [row for row in history if row["outcome"] in {None, "", "running"}]
    if unfinished:
        job.wrong(f"history has runs without an end: {unfinished}")
    if history[0]["outcome"] != "succeeded":
        job.wrong(f"the last run succeeded, and history says {history[0]}")
    running = job.ledger("SELECT id FROM templedb.run WHERE state = 'running'")
    last = job.ledger("SELECT id, state FROM templedb.run ORDER BY started_at DESC LIMIT 1")
    if running or (last and last[0] != (history[0]["run"], "succeeded")):
        job.wrong(f"the ledger has {last}, running {running}; history {history[0]}")
    lines = (job.home / "out").read_text().splitlines()
    deployed = [line.split() for line in lines if line.startswith("end ")][-1]
    if deployed[2] != live:
        job.wrong(f"{deployed[2]} was deployed last, and the router names {live}")


def one(job: SlotJob, faults: list[str], chance: random.Random) -> None:
    """Let a job meet its faults, and bring it to its end."""
    job.prepare()
    for fault in faults:
        words = next_words(job, chance)
        job.tally.faults[fault] += 1
        job.told.append(f"[{fault}]")
        _FAULTS[fault](job, words, chance)
        if chance.random() < 0.5:
            job.mend()
    finish(job, chance)


def rampage(jobs: int, faults: int, seed: int, only: frozenset[int] = frozenset()) -> Tally:
    """Run *jobs*, each through *faults* faults; return what was found."""
    tally = Tally()
    preload()
    with (
        tempfile.TemporaryDirectory(prefix="slots-") as place,
        tempfile.TemporaryDirectory(prefix="tdb-", dir="/tmp") as home,
        postgres.started(postgres.binaries(), Path(home)) as server,
    ):
        for number in range(jobs):
            chance = random.Random(f"{seed} {number}")
            mine = [chance.choice(FAULTS) for _ in range(faults)]
            parts = frozenset(each for each in PARTS if chance.random() < 0.4)
            if only and number not in only:
                continue
            job = SlotJob(
                home=Path(place) / str(number),
                admin=server.admin,
                name=f"slots_{seed}_{number}",
                target=TARGETS[number % len(TARGETS)],
                router=ROUTERS[number % len(ROUTERS)],
                tally=tally,
                parts=parts,
            )
            try:
                one(job, mine, chance)
            except Exception as error:  # noqa: BLE001 - whatever it is, the job is a failure
                job.wrong(f"not examined: {type(error).__name__}: {error}")
            finally:
                with suppress(psycopg.Error):
                    job.close()
            tally.jobs += 1
            tally.ends.update(job.excused)
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
