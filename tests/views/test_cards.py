"""Cards as markup: whatever a file, a target or an error is called, and whatever is missing."""

from __future__ import annotations

import html
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from html.parser import HTMLParser
from typing import Any

import pytest

from templedb_nb.core.approval.policy import decision
from templedb_nb.errors import InternalError, InvalidConfig, RunFailed, TempleError, UnknownName
from templedb_nb.model.approval import Approval, Verdict
from templedb_nb.model.compatibility import Compat, Compatibility
from templedb_nb.model.event import (
    Event,
    Outcome,
    RunFinished,
    RunId,
    RunStarted,
    Stamped,
    StepFailed,
    StepFinished,
    StepLabel,
    StepStarted,
)
from templedb_nb.model.finding import Finding, Severity, Topic
from templedb_nb.model.ledger import Checksums
from templedb_nb.model.phase import Phase
from templedb_nb.model.plan import (
    NOT_EXACTLY_ONCE,
    Draft,
    Plan,
    PlannedGroup,
    Preview,
    ScriptSummary,
)
from templedb_nb.model.project import Slug
from templedb_nb.model.result import Result
from templedb_nb.model.serialization import Digest
from templedb_nb.model.sql_excerpt import SqlExcerpt
from templedb_nb.model.status import FileState, MigrationStatus, StatusTable, TargetStatus
from templedb_nb.model.step import Apply, Mode, RunCommand
from templedb_nb.model.step_result import StepState
from templedb_nb.model.target import DatabaseName, Policy, TargetName
from templedb_nb.notebook import display
from templedb_nb.views import frames
from templedb_nb.views.html import CARDS, bundle, status
from templedb_nb.views.html import plan as plans
from templedb_nb.views.html import run as runs
from templedb_nb.views.html.card import Tone, with_commands
from templedb_nb.views.messages import excerpt_lines
from templedb_nb.views.text import text

HOSTILE = "<img src=x onerror=alert(1)>&\"'\u202e\x1b[31m\n</code></td>"
AT = datetime(2026, 11, 23, 13, 2, 5, tzinfo=UTC)
VOID = {"br", "wbr"}


def test_every_value_with_a_card_has_a_notebook_display() -> None:
    assert {(each.__module__, each.__name__) for each in CARDS} <= set(display._LOOKS)


class Outline(HTMLParser):
    """What a card is made of; it fails where an element is not closed in its turn."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def card(value: Any) -> Outline:
    made = bundle(value)
    assert made is not None
    assert made["text/plain"].strip()
    return Outline(made["text/html"])


def plan(*commands: str, protected: bool = False, **changes: Any) -> Preview:
    steps = tuple(RunCommand(group="web", phase=Phase.DEPLOY, command=each) for each in commands)
    made = Plan(
        project="p",
        target=TargetName("production"),
        groups=(PlannedGroup(name="web", steps=steps),) if steps else (),
        policy=Policy(protected=protected),
        databases=(),
        variables=(),
        base=Digest("0" * 64),
    )
    whole = Preview(
        draft=Draft(plan=made, findings=changes.pop("findings", ())),
        slug=Slug("shop"),
        release=3,
        tree=Digest("1" * 64),
        config="version 2",
        made_at=AT,
        made_by="rosa",
    )
    return replace(whole, **changes)


def run(*titles: str, then: tuple[Event, ...]) -> Result:
    labels = tuple(StepLabel(group="web", phase="deploy", kind="command", title=t) for t in titles)
    began = RunStarted(
        plan="a" * 64, content_hash="", project="p", slug="shop", target="production",
        started_by="rosa", host="here", pid=1, release=3, steps=labels,
    )  # fmt: skip
    stamped = (Stamped(run=RunId("r" * 36), seq=n, at=AT, elapsed_ms=n * 1000, event=event)
               for n, event in enumerate((began, *then)))  # fmt: skip
    return Result.of(stamped)


def failing(**facts: Any) -> Result:
    failed = StepFailed(step=0, message="it broke", changed=False, **facts)
    ended = RunFinished(outcome=Outcome.FAILED, exit_code=10)
    return run("a", "b", then=(StepStarted(step=0, attempt=1, attempt_id="1"), failed, ended))


@pytest.mark.parametrize(
    "value",
    [
        plan(HOSTILE, made_by=HOSTILE, config=HOSTILE, diffs=((HOSTILE, HOSTILE),)),
        plan(findings=(Finding(severity=Severity.ERROR, topic=Topic.FILES, message=HOSTILE, where=HOSTILE, mend=HOSTILE),)),
        run(HOSTILE, then=()),
        failing(detail=HOSTILE, tail=HOSTILE, hint=HOSTILE, sqlstate=HOSTILE),
        InvalidConfig(HOSTILE, hint=HOSTILE, problems=[HOSTILE]),
        StatusTable(slug=Slug("shop"), rows=(TargetStatus(slug=Slug("shop"), target=TargetName(HOSTILE), protected=True, release=1, note=HOSTILE),)),
    ],
)  # fmt: skip
def test_card_shows_text_without_markup_when_the_text_is_hostile(value: Any) -> None:
    made = card(value)
    assert made.all("img") == []
    assert "<img" in made.words
    assert "\x1b" not in made.words
    assert "\u202e" not in made.words


@pytest.mark.parametrize(
    "value",
    [plan("echo"), plan("echo", protected=True), run("a", then=()), failing(), MigrationStatus(slug=Slug("shop"), target=TargetName("t"), rows=())],
)  # fmt: skip
def test_card_has_one_heading_and_captioned_tables_with_named_columns(value: Any) -> None:
    made = card(value)
    assert len(made.all("h3")) == 1
    assert len(made.all("caption")) == len(made.all("table"))
    assert {each["scope"] for each in made.all("th")} <= {"col", "rowgroup"}
    assert made.all("script") == []


def applying(found: Compatibility) -> Preview:
    sums = Checksums(text=Digest("2" * 64), tokens=Digest("3" * 64))
    step = Apply(
        group="db", database=DatabaseName("DATABASE_URL"), key="1.sql", file="1.sql",
        blob=Digest("4" * 64), checksums=sums,
    )  # fmt: skip
    made = plan("echo")
    script = ScriptSummary(file="1.sql", statements=1, lines=1, compatibility=found)
    groups = (PlannedGroup(name="db", steps=(step,)),)
    return replace(
        made, draft=replace(made.draft, plan=replace(made.plan, groups=groups), scripts=(script,))
    )


def test_plan_card_names_the_word_and_reason_when_a_migration_affects_older_code() -> None:
    said = "line 1: DROP COLUMN note: old code that uses it fails"
    broken = applying(Compatibility(word=Compat.CONTRACT, reason=said, line=1))
    assert f"older code: contract: {said}" in card(broken).words
    stated = Compatibility(
        word=Compat.EXPAND,
        reason=HOSTILE,
        stated=True,
        inferred=Compat.CONTRACT,
        inferred_reason=said,
    )
    made = card(applying(stated))
    assert "older code: expand (stated): <img" in made.words
    assert f"its statements: contract, {said}" in made.words
    assert made.all("img") == []


def test_plan_frame_has_the_compatibility_word_and_reason_when_a_migration_has_them() -> None:
    found = frames.steps(applying(Compatibility(word=Compat.DATA, reason="line 2: UPDATE")))
    assert list(found["compat"]) == ["data"]
    assert list(found["compat"].cat.categories) == [each.value for each in Compat]
    assert list(found["compat_reason"]) == ["line 2: UPDATE"]


def test_plan_card_shows_the_rejection_first_when_no_approval_is_required() -> None:
    made = plan("echo")
    veto = Approval(
        id="1",
        plan=made.plan.id,
        content_hash=made.plan.content_hash,
        project="shop",
        target=made.plan.target,
        given_by="ana",
        given_at=AT,
        reason="no",
        through="terminal",
        verdict=Verdict.REJECTED,
    )
    made = replace(made, decision=decision(made.plan, [veto], "rosa", AT))
    card = str(bundle(made)["text/html"])
    assert 0 < card.find("REJECTED PLAN") < card.find("Rejected") < card.find("ana")


def test_plan_card_says_so_first_and_in_words_when_the_target_is_protected() -> None:
    made = plan("echo", protected=True)
    made = replace(made, decision=decision(made.plan, (), "rosa", AT))
    words = card(made).words
    assert "PROTECTED TARGET: production" in words
    assert words.index("PROTECTED") < words.index("command to run")
    assert "needs an approval: %templedb approve" in words
    assert "PROTECTED" not in card(plan("echo")).words


def test_plan_card_says_that_nothing_is_to_do_when_the_plan_is_empty() -> None:
    made = card(plan())
    assert "There is nothing to do." in made.words
    assert made.all("table") == []


def test_status_card_says_how_to_add_a_target_when_the_project_has_none() -> None:
    assert "%templedb target add shop NAME" in card(StatusTable(slug=Slug("shop"), rows=())).words


def test_plan_card_shows_the_gravest_finding_first_when_there_are_several() -> None:
    found = tuple(
        Finding(severity=each, topic=Topic.FILES, message=f"a {each}") for each in (Severity.NOTE, Severity.ERROR)
    )  # fmt: skip
    words = card(plan("echo", findings=found)).words
    assert words.index("an error" if "an error" in words else "a error") < words.index("a note")


def test_run_card_has_the_line_with_its_caret_as_the_terminal_when_a_server_refused_it() -> None:
    text_of = "ALTER TABLE orders ADD\tCONSTRAINT <b> CHECK (cents > 0)"
    excerpt = SqlExcerpt(line=12, column=13, text=text_of, caret=12)
    value = failing(excerpt=excerpt)
    made = str(runs.run_card(value))
    shown, said = html.unescape(made), text(value)
    for line in excerpt_lines(excerpt):
        assert line in shown
        assert line in said
    assert "<b> CHECK" not in made
    assert shown.index("it broke") < shown.index("   12 | ") < shown.index("Steps, in order")


def test_run_card_tells_the_failure_before_the_steps_when_a_step_failed() -> None:
    words = card(
        failing(statement=2, sqlstate="23514", detail="Failing row", hint="templedb deploy run")
    ).words
    for fact in (
        "Step 1 of 2 failed:",
        "23514",
        "Failing row",
        "unchanged (exit 10)",
        "%templedb deploy run",
    ):
        assert fact in words
        assert words.index(fact) < words.index("Steps, in order")


@pytest.mark.parametrize(
    ("kind", "looks"),
    [
        (FileState, status.STATES),
        (StepState, runs.STATES),
        (Outcome, runs.OUTCOMES),
        (Severity, plans.SEVERITIES),
    ],
)
def test_every_state_has_a_look_and_a_sign(
    kind: type[StrEnum], looks: dict[Any, tuple[Tone, str]]
) -> None:
    assert set(looks) == set(kind)
    assert all(mark for _, mark in looks.values())


def test_plan_card_says_so_when_a_migration_runs_without_a_transaction() -> None:
    sums = Checksums(text="a" * 64, tokens="b" * 64)
    step = Apply(
        group="web", database=DatabaseName("DATABASE_URL"), key="a", file="a.sql",
        blob=Digest("2" * 64), checksums=sums, mode=Mode.STATEMENTS,
    )  # fmt: skip
    made = plan("echo")
    whole = replace(made.plan, groups=(PlannedGroup(name="web", steps=(step,)),))
    value = replace(made, draft=replace(made.draft, plan=whole))
    assert "exact, no transaction" in card(value).words
    note = f"runs step by step; {NOT_EXACTLY_ONCE}: line 3 (templedb:idempotent)"
    told = ScriptSummary(file="a.sql", statements=1, lines=1, note=note)
    value = replace(made, draft=replace(made.draft, plan=whole, scripts=(told,)))
    assert "no transaction, not exactly once" in card(value).words


def test_run_card_folds_and_counts_the_steps_when_there_are_many() -> None:
    titles = [f"step {n}" for n in range(200)]
    done = tuple(StepFinished(step=n) for n in range(199))
    last = StepStarted(step=199, attempt=1, attempt_id="1")
    ended = RunFinished(outcome=Outcome.SUCCEEDED, exit_code=0)
    made = card(run(*titles, then=(*done, last, StepFinished(step=199), ended)))
    assert len(made.all("details")) == 1
    assert "open" not in made.all("details")[0]
    assert "200 steps: 200 done" in made.words


def test_run_card_shows_the_running_step_when_a_run_of_many_steps_goes_on() -> None:
    titles = [f"step {n}" for n in range(200)]
    done = tuple(StepFinished(step=n) for n in range(199))
    made = card(run(*titles, then=(*done, StepStarted(step=199, attempt=1, attempt_id="1"))))
    assert "200 steps: 1 running, 199 done" in made.words
    assert "step 199" in made.words
    assert "step 198" not in made.words


def test_run_card_claims_only_what_was_seen_when_a_run_goes_on_or_has_died() -> None:
    going_on = run("a", then=(StepStarted(step=0, attempt=1, attempt_id="1"),))
    assert "Nothing applied so far" in card(going_on).words
    ended = RunFinished(outcome=Outcome.UNKNOWN, exit_code=13, message="its process died")
    lost = run("a", then=(StepStarted(step=0, attempt=1, attempt_id="1"), ended))
    assert "Nothing is known to be applied" in card(lost).words
    assert "its process died" in card(lost).words


def test_error_card_keeps_the_shape_of_the_traceback_when_the_error_is_a_defect() -> None:
    made = card(InternalError("a defect", problems=["Traceback", '  File "x"', "KeyError"]))
    assert 'Traceback\n  File "x"\nKeyError' in made.words


def test_plan_card_shows_differences_by_signs_and_colours_when_a_file_was_edited() -> None:
    made = card(plan("echo", diffs=(("a.sql", "--- applied\n+++ now\n-\told\n+\tnew"),)))
    assert "-       old\n+       new" in made.words
    assert {"class": "tdb-good"} in made.all("span")


def test_commands_are_shown_as_notebook_magics_when_a_hint_contains_them() -> None:
    said = with_commands("templedb approve abc --reason WHY, then run it again")
    assert said == "<code>%templedb approve abc --reason WHY</code>, then run it again"
    assert with_commands("edit templedb.yaml, then deploy") == "edit templedb.yaml, then deploy"
    assert with_commands("install `psql`") == "install <code>psql</code>"


def test_error_leaves_one_traceback_line_when_it_was_told_already() -> None:
    error = InvalidConfig("it is wrong", hint="mend it", problems=["a", "b"])
    assert len(error._render_traceback_()) > 1
    error.told = True
    assert error._render_traceback_() == ["InvalidConfig: it is wrong"]


@pytest.mark.parametrize(
    "error", [UnknownName("no such thing"), RunFailed("it failed", exit_code=12)]
)
def test_every_error_has_a_card_with_its_name_and_message(error: TempleError) -> None:
    words = card(error).words
    assert type(error).__name__ in words
    assert error.message in words


def test_value_has_no_card_when_its_type_is_unknown() -> None:
    assert bundle("text") is None


def test_command_stands_once_when_several_findings_have_the_same_hint() -> None:
    found = tuple(
        Finding(
            severity=Severity.WARNING,
            topic=Topic.DRIFT,
            message=f"table {name} was changed",
            mend="templedb drift check",
        )
        for name in ("a", "b", "c")
    )
    words = card(plan("echo", findings=found)).words
    assert words.count("drift check") == 1
    assert "table c was changed" in words


def test_failed_command_stands_once_above_what_happened_to_it() -> None:
    assert runs._without_title("npm test exited with 1", "npm test") == "exited with 1"
    assert (
        runs._without_title("relation x does not exist", "npm test") == "relation x does not exist"
    )
    assert runs._without_title("npm test", "npm test") == "npm test"
