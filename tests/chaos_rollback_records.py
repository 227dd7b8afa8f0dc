"""What must be true of a job of the rampage of rollbacks, by its ledger, history and commands."""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from typing import Any

from tests.chaos_rollback_job import BACK, Job

ID, KIND, PARENT, STATE, CODE, CONTENT, STARTED, FINISHED = range(8)
DEAD = "its process died"


def pending(job: Job) -> dict[str, Any] | None:
    """Return the mark of a rollback that the ledger has."""
    ledger = job.ledger()
    found = ledger["meta"] if ledger else []
    mark: dict[str, Any] | None = json.loads(found[0][0]) if found else None
    return mark


def examine(job: Job, before: dict[str, Any] | None, words: tuple[str, ...]) -> None:
    """Hold ledger, history and what the commands did against each other."""
    history, ledger = job.history(), job.ledger()
    recorded = job.recorded()
    _attempts(job)
    _only_begun(job, history, recorded["steps"])
    if ledger is None:
        return
    _once(job, ledger)
    _agree(job, history, ledger)
    _mark(job, ledger)
    _none_while_owed(job, history, ledger, {run for run, _ in recorded["owing"]})
    runs = [each for each in ledger["runs"] if each[KIND] == "deploy"]
    if before and words[0] == "deploy" and words[1] == "run" and not _resolved(job, before):
        new = [each for each in runs if each[ID] > max(before["run"], before["parent"])]
        if any(each[STARTED] for each in new) and pending(job) == before:
            job.wrong(f"a run began while {before} was pending: {new}")


def _resolved(job: Job, mark: dict[str, Any]) -> bool:
    return any(
        name.startswith(each) for each in job.resolved for name in (mark["run"], mark["parent"])
    )


def _attempts(job: Job) -> None:
    twice = [each for each, count in Counter(line[0] for line in job.out).items() if count > 1]
    if twice:
        job.wrong(f"attempts ran twice: {twice}")


def _once(job: Job, ledger: dict[str, list[list[Any]]]) -> None:
    """No owed rollback succeeded twice, and no command of one ended well twice."""
    runs = {each[ID]: each for each in ledger["runs"]}
    failed = {each[ID] for each in ledger["runs"] if each[STATE] != "succeeded"}
    good = Counter(
        each[PARENT] for each in runs.values()
        if each[KIND] == "rollback" and each[STATE] == "succeeded" and each[PARENT] in failed
    )  # fmt: skip
    if twice := [run for run, count in good.items() if count > 1]:
        job.wrong(f"rolled back twice: {twice}")
    done: Counter[tuple[str, str, str]] = Counter()
    for _, run, step, state, status in ledger["commands"]:
        own = runs.get(run)
        if own and own[KIND] == "rollback" and own[PARENT] in failed and state == "finished":
            done[own[PARENT], own[CONTENT], f"{step} {status}"] += status == 0
    lines: dict[tuple[str, str], set[str]] = defaultdict(set)
    ended = {each[0] for each in ledger["commands"] if each[3] == "finished" and each[4] == 0}
    for attempt, run, group, *_ in job.out:
        own = runs.get(run)
        if own and own[KIND] == "rollback" and own[PARENT] in failed and attempt in ended:
            lines[own[PARENT], group].add(attempt)
    for (parent, group), attempts in lines.items():
        if len(attempts) > 1:
            job.wrong(f"group {group} was rolled back twice for run {parent}: {attempts}")


def _only_begun(job: Job, history: dict[str, Any], steps: list[list[Any]]) -> None:
    """A rollback by itself is about groups that its parent had begun, in it or in a former run."""
    begun: dict[str, set[str]] = defaultdict(set)
    for run, group, _, state in steps:
        if state not in {"pending", "skipped"}:
            begun[run].add(group)
    for _attempt, run, group, *_ in job.out:
        begun[run].add(group)
    by_hand = {row["plan"] for row in history.values() if row["started_by"].startswith("hand ")}
    for _attempt, run, group, *_ in job.out:
        own = history.get(run)
        alone = own and own["run_kind"] == "rollback" and own["plan"] not in by_hand
        if own and alone and own["parent_run"] in history and group not in begun[own["parent_run"]]:
            job.wrong(
                f"group {group} was rolled back, and run {own['parent_run']} had not begun it"
            )


def _agree(job: Job, history: dict[str, Any], ledger: dict[str, list[list[Any]]]) -> None:
    newest = max((each[ID] for each in ledger["runs"]), default="")
    for each in ledger["runs"]:
        own = history.get(each[ID])
        if own is None:
            continue  # of another state
        if (own["run_kind"], own["parent_run"]) != (each[KIND], each[PARENT]):
            job.wrong(f"kind or parent differ: {own} and {each}")
        if each[STATE] != "running" and (own["message"] or "").startswith("lost the connection"):
            job.wrong(f"the loss of a connection hides how a run ended: {own}")
        if each[STATE] == "running":
            if each[ID] != newest and own["outcome"] is None:
                job.wrong(f"a run goes on, and is not the newest: {each}")
        elif each[STATE] == "unknown" and _resolved(job, {"run": each[ID], "parent": ""}):
            continue  # a person said so of what the ledger did not see end
        elif own["outcome"] != each[STATE] and DEAD not in (own["message"] or ""):
            job.wrong(f"history says {own['outcome']}: {own['message']}; the ledger {each}")


def _mark(job: Job, ledger: dict[str, list[list[Any]]]) -> None:
    runs = {each[ID]: each for each in ledger["runs"]}
    mark = json.loads(ledger["meta"][0][0]) if ledger["meta"] else None
    if mark is None:
        last = next((r for r in reversed(ledger["runs"]) if r[STATE] != "running"), None)
        idle = last is not None and last[CODE] == 10
        if last and last[KIND] == "rollback" and last[STATE] != "succeeded" and not idle:
            parent = {"run": last[ID], "parent": last[PARENT]}
            if not _resolved(job, parent):
                job.wrong(f"a rollback did not succeed, and no mark says so: {last}")
        return
    parent = runs.get(mark["parent"])
    if parent is None or parent[STATE] == "running":
        job.wrong(f"the mark is of a run that has not ended: {mark}, {parent}")
    if mark["run"]:
        child = runs.get(mark["run"])
        if child is None or child[KIND] != "rollback" or child[STATE] == "succeeded":
            job.wrong(f"the mark is of no rollback that did not succeed: {mark}, {child}")
        elif child[PARENT] != mark["parent"]:
            job.wrong(f"the mark names another parent than its run: {mark}, {child}")
    elif any(r[PARENT] == mark["parent"] and r[STATE] == "succeeded" for r in runs.values()):
        job.wrong(f"the mark is of what was rolled back: {mark}")


def _none_while_owed(
    job: Job, history: dict[str, Any], ledger: dict[str, list[list[Any]]], owing: set[str]
) -> None:
    rows = ledger["runs"]
    for place, parent in enumerate(rows):
        if parent[ID] not in owing or parent[FINISHED] is None:
            continue
        if DEAD in (history[parent[ID]]["message"] or "") or _resolved(
            job, {"run": "", "parent": parent[ID]}
        ):
            continue
        for each in rows[place + 1 :]:
            if each[STARTED] < parent[FINISHED]:
                continue
            if each[KIND] == "rollback":
                break
            job.wrong(f"run {each} began while run {parent[ID]} owed a rollback")
            break


def back_again(job: Job, chance: random.Random) -> None:
    """The list of ways back is right, and the default one can be gone."""
    said = job.json(*BACK[:3], "--list")
    rows = said.get("rows", [])
    last = max(job.history(), default="")
    if said.get("in_place") != last:
        job.wrong(f"in place is {said.get('in_place')}, and the newest run is {last}")
    default = next((each for each in rows if each["default"]), None)
    out = job.out
    versions = {each[1]: each[3] for each in out}
    if default is None:
        job.wrong(f"nothing to go back to: {said}")
        return
    releases = {
        row["release"]: versions[run] for run, row in job.history().items() if run in versions
    }
    wanted = versions.get(default["run"]) or releases.get(default["release"])
    if default["why_not"]:  # another state has its files
        return
    if wanted is None or not wanted.isalnum() or wanted == out[-1][3]:
        job.wrong(f"the way back goes to {wanted}: {default}")
        return
    if chance.random() < 0.5:
        job.must(*BACK)
        last_of = {each[2]: each[3] for each in job.out}
        if set(last_of.values()) != {wanted}:
            job.wrong(f"the rollback goes to {wanted}, and in place is {last_of}")
