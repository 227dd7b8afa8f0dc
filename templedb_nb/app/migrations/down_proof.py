"""Proving down parts on a copy of a database that holds its schema and none of its rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from templedb_nb.app.deploy.case import OpenTarget
from templedb_nb.app.deploy.connections import Connections
from templedb_nb.app.environment import Environment
from templedb_nb.app.migrations.migrations import Migrations, RevertRequest
from templedb_nb.core.migrations.down import down_script
from templedb_nb.core.migrations.script import Script
from templedb_nb.errors import PlanRefused, TargetError
from templedb_nb.model import line_diff
from templedb_nb.model.config import Executor
from templedb_nb.model.down_proof import DownVerdict, Proof, ProofRow
from templedb_nb.model.status import Tracked
from templedb_nb.model.step import Revert
from templedb_nb.ports.scratch import Scratch

Pair = tuple[Revert, Script, Script]
"""A step with what brings its migration into effect and what rolls it back."""


class DownProofs:
    """Goes back and forth where nothing is at stake."""

    def __init__(self, migrations: Migrations, ledgers: Connections, system: Environment) -> None:
        """Choose by *migrations*, copy by *ledgers*."""
        self._system = system
        self._migrations = migrations
        self._ledgers = ledgers

    def prove(self, opened: OpenTarget, back: RevertRequest) -> Proof:
        """Roll back, on a copy of the schema, what *back* names, and bring it back; compare.

        The first that is not ends the proof: what comes after stands on it.
        """
        case, steps = opened.case, self._migrations.way_back(opened, back)
        pairs = _pairs(opened, self._migrations.status(opened).rows, steps)
        database = steps[0].database
        rows: list[ProofRow] = []
        url, server = opened.urls[database], opened.sessions[database].server
        here = server.here if server else None
        with self._ledgers.scratch(url, here, case.target.name, case.root, self._system) as scratch:
            for step, up, down in pairs:
                broken = bool(rows) and rows[-1].verdict is not DownVerdict.HOLDS
                last = step is pairs[-1][0]
                untried = ProofRow(file=step.key, verdict=DownVerdict.NOT_TRIED)
                rows.append(untried if broken else _row(scratch, step, up, down, last=last))
        return Proof(slug=case.project.slug, target=case.target.name, rows=tuple(rows))


def _pairs(opened: OpenTarget, rows: Sequence[Tracked], steps: Sequence[Revert]) -> list[Pair]:
    ups = {row.key: row.source for row in rows if row.source}
    wanted = {ups[step.key] for step in steps} | {step.source for step in steps}
    read = opened.case.read.scripts(wanted)
    pairs = [(step, read[ups[step.key]], down_script(read[step.source])) for step in steps]
    problems = list(_problems(pairs))
    if problems:
        raise PlanRefused("nothing was tried", problems=problems)
    return pairs


def _problems(pairs: Iterable[Pair]) -> Iterable[str]:
    for step, up, down in pairs:
        for file, script in ((step.key, up), (step.file, down)):
            for each in script.problems_for(Executor.NATIVE):
                yield f"{file}:{each.line}: {each.message}"


def _row(scratch: Scratch, step: Revert, up: Script, down: Script, *, last: bool) -> ProofRow:
    before = scratch.schema()
    try:
        scratch.run(down, step.file)
        scratch.run(up, step.key)
        after = scratch.schema()
        if before == after and not last:
            scratch.run(down, step.file)
    except TargetError as error:
        return ProofRow(file=step.key, verdict=DownVerdict.FAILED, told=error.message)
    if before == after:
        return ProofRow(file=step.key, verdict=DownVerdict.HOLDS)
    names = "before", "after down and up"
    lines = line_diff.unified(before.splitlines(), after.splitlines(), names, around=2)
    return ProofRow(file=step.key, verdict=DownVerdict.DIFFERS, diff="\n".join(lines))
