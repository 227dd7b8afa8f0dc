"""What a notebook shows of very many steps, files and rows: the grave ones, and a count of the rest."""

from __future__ import annotations

import json
from dataclasses import replace

from templedb_nb import frame
from templedb_nb.model.effect import Impact, StatementEffect
from templedb_nb.model.event import Outcome, RunFinished, StepFailed, StepFinished, StepStarted
from templedb_nb.model.ledger import Checksums
from templedb_nb.model.phase import Phase
from templedb_nb.model.plan import PlannedGroup, Preview, ScriptSummary, SinceDeployed
from templedb_nb.model.project import Changes
from templedb_nb.model.serialization import Digest
from templedb_nb.model.step import Apply, RunCommand, Step
from templedb_nb.model.target import DatabaseName
from templedb_nb.views.html import bundle
from templedb_nb.views.html.card import ITEMS, ROWS
from templedb_nb.views.plans import SHOWN, chosen
from tests.views.test_cards import AT, card, plan, run

COUNT = 20_000


def apply(number: int) -> Step:
    sums = Checksums(text=Digest("2" * 64), tokens=Digest("3" * 64))
    return Apply(
        group="db", database=DatabaseName("DATABASE_URL"), key=f"{number}.sql", file=f"{number}.sql",
        blob=Digest("4" * 64), checksums=sums,
    )  # fmt: skip


def of_steps(*steps: Step) -> Preview:
    made = plan("echo")
    effects = tuple(StatementEffect(line=n, what=f"statement {n}") for n in range(100))
    scripts = tuple(
        ScriptSummary(file=each.file, statements=100, lines=100, impact=Impact(effects=effects))
        for each in steps
        if isinstance(each, Apply)
    )
    groups = (PlannedGroup(name="db", steps=steps),)
    whole = replace(made.plan, groups=groups)
    return replace(made, draft=replace(made.draft, plan=whole, scripts=scripts))


def test_plan_shows_its_grave_steps_and_counts_the_rest_when_it_has_very_many() -> None:
    command = RunCommand(group="db", phase=Phase.POST_DEPLOY, command="drop-all-backups")
    value = of_steps(*map(apply, range(COUNT)), command)
    made = card(value)
    assert f"… and {COUNT + 1 - SHOWN} more steps" in made.words
    assert "frame(plan)" in made.words
    assert "%templedb deploy plan shop --target production --json" in made.words
    assert "drop-all-backups" in made.words
    assert f"{SHOWN - 2}.sql" in made.words
    assert f"{SHOWN - 1}.sql" not in made.words
    assert len(frame(value)) == COUNT + 1


def test_notebook_does_not_grow_when_a_plan_has_more_steps() -> None:
    few, many = (bundle(of_steps(*map(apply, range(count)))) for count in (2000, COUNT))
    assert few is not None
    assert many is not None
    assert "application/vnd.templedb.plan+json" not in many
    assert len(json.dumps(many)) < len(json.dumps(few)) + 2000


def test_plan_is_shown_whole_when_it_fits() -> None:
    made = bundle(of_steps(*map(apply, range(SHOWN))))
    assert made is not None
    assert "application/vnd.templedb.plan+json" in made
    assert "more step" not in made["text/html"]
    assert f"{SHOWN - 1}.sql" in made["text/html"]


def test_run_shows_the_steps_that_went_wrong_when_it_has_very_many() -> None:
    titles = [f"step {n}" for n in range(COUNT)]
    last = COUNT - 1
    then = [StepFinished(step=n) for n in range(last)]
    begun = StepStarted(step=last, attempt=1, attempt_id="1")
    failed = StepFailed(step=last, message="it broke", changed=False)
    ended = RunFinished(outcome=Outcome.FAILED, exit_code=10)
    value = run(*titles, then=(*then, begun, failed, ended))
    made = card(value)
    assert len(made.all("td")) < 5 * SHOWN
    assert made.words.count(f"step {last}") == 2  # why it failed, and its row
    assert f"… and {COUNT - SHOWN} more steps" in made.words
    assert f"%templedb deploy show {value.run[:13]} --json" in made.words


def test_card_counts_what_it_leaves_out_when_its_lists_and_tables_are_long() -> None:
    added = tuple(f"file{n}" for n in range(100_000))
    since = SinceDeployed(run="r" * 36, release=2, finished_at=AT, changes=Changes(added=added))
    made = card(replace(plan("echo"), since=since))
    assert f"… and {100_000 - ITEMS} more" in made.words
    assert f"file{ITEMS}" not in made.words
    diffs = tuple((f"f{n}.sql", "-a\n" * 10_000) for n in range(1000))
    made = card(replace(plan("echo"), diffs=diffs))
    assert "more edited files" in made.words
    assert len(made.words) < 100_000
    assert ROWS >= SHOWN  # the rows of a plan are counted before they are cut


def test_grave_steps_are_chosen_before_the_first_when_not_all_can_be_shown() -> None:
    grave = [n % 7 == 0 for n in range(COUNT)]
    found = chosen(grave)
    assert len(found) == SHOWN
    assert all(grave[each] for each in found)
    assert chosen([False, True]) == {0, 1}
