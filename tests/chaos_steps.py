"""Every kind of step, broken at every fail point that it passes; then all records must agree."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import Any

import psycopg

from templedb_nb.failpoints import PLACES
from tests.chaos_job import WHY, Job, finish
from tests.chaos_ledgers import DAMAGES

Words = tuple[str, ...]
RUN: Words = ("deploy", "run", "app", "--lock-wait", "60")
AROUND = [each for each in PLACES if each.startswith(("run.", "step."))]
ONE = [each for each in PLACES if each.startswith("apply.")]
PSQL = [each for each in PLACES if each.startswith("psql.")]
COMMAND = [each for each in PLACES if each.startswith("command.")]
HEALTH = [each for each in PLACES if each.startswith("health.")]
"""Of checks, which no job of a rampage has: tests/app/health/test_health_gates.py dies at each."""
ARTIFACTS = [each for each in PLACES if each.startswith("artifacts.")]
"""Of artifacts, which no job of a rampage has either: tests/app/artifacts/test_artifacts.py dies at each."""
ONCE = "ledger.made"
"""Passed by the first run alone: tests/targets/test_ledger_formats.py dies there."""
LOOKED = "guard.looked"
"""Passed only by what has to do with the ledger, and leaves it as it is."""
ELSEWHERE = ("router.", "slot.", "switch.", "notify.")
"""Of routers and receivers, which no job has: tests/routers/test_routers.py, test_notifications.py do."""
PASSES = {
    "apply": [
        each
        for each in PLACES
        if each not in {*PSQL, *COMMAND, *HEALTH, *ARTIFACTS, LOOKED, ONCE, "rollback.owed"}
        and not each.startswith(ELSEWHERE)
    ],
    "grant": [LOOKED],
    "psql": [*AROUND, *PSQL],
    "command": [*AROUND, *COMMAND],
    "script": [*AROUND, *COMMAND],
    "revert": [*AROUND, *ONE],
    "mark-reverted": AROUND,
    "mark-applied": AROUND,
    "baseline": AROUND,
    "resolve": AROUND,
    "accept": AROUND,
    "rename": AROUND,
    "adopt": AROUND,
    "restore": AROUND,
    "shadow": AROUND,
    "exempt": AROUND,
}
"""The fail points that each kind of step passes."""
ACTIONS = ("kill9", "drop", "error")
POINTS = [
    (kind, place, action)
    for action in ACTIONS
    for kind, places in PASSES.items()
    for place in places
]
Point = tuple[str, str, str]


def side(job: Job) -> str:
    """Return the key of the migration that amendments are about."""
    return f"migrations/{job.side}"


def _apply(job: Job) -> Words:
    job.more()
    return RUN


def _grant(job: Job) -> Words:
    n = len(job.files) + 1
    job.marks.append(f"{n}")
    grant = "GRANT SELECT ON ALL TABLES IN SCHEMA templedb TO CURRENT_USER;\n"
    job.write(f"{n:03}_grant.sql", f"INSERT INTO marks VALUES ('{n}');\n{grant}")
    return RUN


def _psql(job: Job) -> Words:
    n = len(job.files) + 1
    job.marks.append(f"{n}")
    job.write(f"{n:03}_psql.sql", f"INSERT INTO marks VALUES ('{n}');\n\\echo done\n")
    job.config(executor="psql")
    return RUN


def _command(job: Job) -> Words:
    group = {"name": "last", "kind": "commands", "order": 9, "deploy_command": "echo ran"}
    job.config(group)
    return RUN


def _script(job: Job) -> Words:
    (job.home / "app" / "templedb.yaml").unlink()
    (job.home / "app" / "deploy.sh").write_text("echo deployed\n")
    return RUN


def _revert(job: Job) -> Words:
    return ("migration", "down", "app", job.side, *WHY)


def _mark_reverted(job: Job) -> Words:
    return ("migration", "mark-reverted", "app", job.side, *WHY)


def _mark_applied(job: Job) -> Words:
    job.must(*_mark_reverted(job))
    return ("migration", "mark-applied", "app", job.side, *WHY)


def _baseline(job: Job) -> Words:
    n = len(job.files) + 1
    for name in (f"{n:03}_base.sql", f"{n + 1:03}_base.sql"):
        job.write(name, f"CREATE TABLE IF NOT EXISTS base_{name[:3]} (id int);\n")
    return ("migration", "baseline", "app", "--through", f"{n + 1:03}_base.sql", *WHY)


def _resolve(job: Job) -> Words:
    n = len(job.files) + 1
    job.doubt = f"{n:03}_doubt.sql"
    job.marks.append(f"{n}")
    text = f"BEGIN INSERT INTO marks VALUES ('{n}'); COMMIT; RAISE EXCEPTION 'no'; END"
    job.write(job.doubt, f"DO $$ {text} $$;\n")
    code, said = job.say(*RUN)
    if code != 13:
        job.wrong(f"what committed and failed is not in doubt: {code} {said[-400:]}")
    return ("migration", "resolve", "app", job.doubt, "--applied", *WHY)


def _accept(job: Job) -> Words:
    path = job.home / "app" / "migrations" / job.side
    path.write_text(f"-- known\n{path.read_text()}")
    return ("migration", "accept-checksum", "app", job.side, *WHY)


def _rename(job: Job) -> Words:
    old, new = job.side, f"007_side_{len(job.side)}.sql"
    folder = job.home / "app" / "migrations"
    (folder / old).rename(folder / new)
    job.side = new
    return ("migration", "rename", "app", old, new, *WHY)


def _adopt(job: Job) -> Words:
    job.imported += 1
    n = job.imported
    file = job.home / "app" / "db" / f"{n}_theirs.sql"
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"-- migrate:up\nCREATE TABLE theirs_{n} (id int);\n")
    with job.inside() as connection:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_migrations (version varchar PRIMARY KEY)"
        )
        connection.execute("INSERT INTO schema_migrations VALUES (%s)", [str(n)])
        connection.execute(f"CREATE TABLE theirs_{n} (id int)".encode())
    job.config()
    return ("migration", "import", "app", *WHY)


def _restore(job: Job) -> Words:
    with job.inside() as connection:
        which = sum(map(ord, job.name)) + len(job.met)
        connection.execute(DAMAGES[which % len(DAMAGES)].encode())
    return ("migration", "restore-ledger", "app", *WHY)


def _shadow(job: Job) -> Words:
    """Write another tool's table along: what it has is imported before, so that this is all."""
    job.must(*_adopt(job))
    return ("migration", "import", "app", "--shadow", *WHY)


def _exempt(job: Job) -> Words:
    """Exempt the project from what another one in the same database demands."""
    folder = job.home / "other"
    if not folder.exists():
        folder.mkdir()
        group = {"name": "c", "kind": "commands", "deploy_command": "true"}
        (folder / "templedb.yaml").write_text(json.dumps({"groups": [group]}))
        job.introduce("other")
        job.must("target", "update", "other", "t", "--order-policy", "linear")
    job.must("deploy", "run", "other", "--lock-wait", "60")
    if done(job, "exempt", ""):
        job.must("target", "exempt", "app", "t", "--ends", *WHY)
    return ("target", "exempt", "app", "t", "--from", "other", *WHY)


PREPARE: dict[str, Callable[[Job], Words]] = {
    "apply": _apply, "grant": _grant, "psql": _psql, "command": _command, "script": _script, "revert": _revert,
    "mark-reverted": _mark_reverted, "mark-applied": _mark_applied, "accept": _accept,
    "baseline": _baseline, "resolve": _resolve, "rename": _rename, "adopt": _adopt, "restore": _restore,
    "shadow": _shadow, "exempt": _exempt,
}  # fmt: skip
ONCE_MORE = {"accept", "rename", "adopt", "shadow", "exempt"}
"""Kinds of which no later deployment does what was not done."""


def break_at(job: Job, point: Point) -> None:
    """Let a step of that kind break at that place, compare all records, and finish the job."""
    kind, place, action = point
    if not finish(job):
        return
    words = PREPARE[kind](job)
    before = text_of(job)
    process = job.program(*words, point=f"{place}:{action}")
    said = ended(process)
    code = process.returncode
    if (action == "kill9" and code != -9) or (action == "error" and code == 0):
        job.wrong(f"{kind} did not break at {place}: {code} {said[-400:]}")
    job.tally.points.add(point)
    agree(job, kind, before, f"{kind} {place} {action}")
    if kind in ONCE_MORE and not done(job, kind, before):
        job.must(*words)
    finish(job)
    if kind == "shadow":
        job.must("migration", "import", "app", "--no-shadow", *WHY)
    if kind == "script":
        (job.home / "app" / "deploy.sh").unlink()
    job.config()
    _objects_agree(job, ledger(job) or {}, f"after {kind} {place} {action}")


def ended(process: subprocess.Popen[str]) -> str:
    """Wait for a command; return what it said."""
    try:
        return process.communicate(timeout=600)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise


# --- what the records say ---------------------------------------------------------------------


def text_of(job: Job) -> str:
    """Return the checksum that the ledger has of the side migration."""
    try:
        found = job.rows(f"SELECT checksum FROM templedb.migration WHERE key = '{side(job)}'")
    except psycopg.Error:
        return ""
    return str(found[0][0]) if found else ""


def ledger(job: Job) -> dict[str, str] | None:
    """Return the state of each migration, and None where the ledger is not whole."""
    try:
        rows = job.rows("SELECT key, state FROM templedb.migration")
    except psycopg.Error:
        return None
    return {str(key).rpartition("/")[2]: str(state) for key, state in rows}


def done(job: Job, kind: str, before: str) -> bool:
    """Return whether the ledger has what no later deployment does."""
    states = ledger(job) or {}
    match kind:
        case "accept":
            return text_of(job) != before
        case "rename":
            return job.side in states
        case "shadow" | "exempt":
            fact = f"SELECT 1 FROM templedb.meta WHERE k = '{kind}/app' AND v"
            return bool(job.rows(f"{fact} LIKE '%{'dbmate' if kind == 'shadow' else 'other'}%'"))
        case _:
            return str(job.imported) in states


LAST = """SELECT r.outcome, r.message, s.kind, s.title, s.state
FROM runs r LEFT JOIN steps s ON s.run = r.run WHERE r.run = (SELECT max(run) FROM runs)"""


def agree(job: Job, kind: str, before: str, about: str) -> None:
    """Compare history, ledger and objects: they say the same of the last run."""
    told = _rows(job, "sql", LAST, "--json")
    states = ledger(job)
    if states is None or not told:
        return
    outcome, message, *_step = told[0]
    if outcome in {None, "running"}:
        job.wrong(f"{about}: history has no outcome: {told}")
    if outcome == "unknown" and kind not in {"command", "script"}:
        job.wrong(f"{about}: history says unknown: {message}")
    for step in told:
        if step[2]:
            _step_agrees(job, step[2:], states, before, about)
    if kind != "restore":  # it may have stopped between two rows; the next run says so
        _objects_agree(job, states, about)


def _step_agrees(
    job: Job, step: list[str], states: dict[str, str], before: str, about: str
) -> None:
    kind, title, state = step
    match kind:
        case "apply":
            has = states.get(title.rpartition("/")[2]) == "applied"
        case "revert":
            has = states.get(job.side) in {None, "reverted"}
        case "amend":
            has = _amended(job, title, states, before)
        case "adopt":
            has = states.get(str(job.imported)) == "applied"
        case _:
            return
    if has is not (state == "done"):
        job.wrong(f"{about}: history says {state} of {title}, and the ledger {states}")


def _amended(job: Job, title: str, states: dict[str, str], before: str) -> bool:
    """Return whether the ledger has what a step says of it."""
    match title:
        case _ if title.endswith(" along"):
            return done(job, "shadow", before)
        case _ if "the policy of" in title:
            return done(job, "exempt", before)
        case _ if "mark-reverted" in title:
            return states.get(job.side) in {None, "reverted"}
        case _ if "accept" in title:
            return text_of(job) != before
        case _ if "resolve" in title:
            return states.get(job.doubt) != "in_doubt"
        case _ if "_base.sql" in title:
            return states.get(title.rpartition("/")[2]) == "applied"
        case _ if "missing tables" in title:
            return True
        case _:
            return states.get(job.side) == "applied"


def _objects_agree(job: Job, states: dict[str, str], about: str) -> None:
    (there,) = job.rows("SELECT to_regclass('marks') IS NOT NULL")[0]
    rows = job.rows("SELECT what FROM marks") if there else []
    found = {str(row[0]) for row in rows}
    for name, text in job.files.items():
        own = {mark for mark in job.marks if f"VALUES ('{mark}')" in text}
        state = states.get(name)
        if state == "applied" and not own <= found:
            job.wrong(f"{about}: {name} is applied, and {own - found} missing")
        if state is None and own & found:
            job.wrong(f"{about}: {name} has no row, and {own & found} stand")


def _rows(job: Job, *words: str) -> list[Any]:
    code, said = job.say(*words)
    lines = [line for line in said.splitlines() if line.startswith('{"kind"')]
    if code or not lines:
        job.wrong(f"{' '.join(words)} ended with {code}: {said[-400:]}")
        return []
    rows: list[Any] = json.loads(lines[-1])["rows"]
    return rows
