"""Plans of fleets and rollouts as cards: equal needs once, a sign for each target."""

from __future__ import annotations

from collections.abc import Mapping

from templedb_nb.model.fleet import (
    GOOD,
    Cohort,
    FleetPlan,
    FleetStatus,
    MemberResult,
    MemberState,
    PlannedState,
    RolloutState,
)
from templedb_nb.model.serialization import short
from templedb_nb.model.target import TargetName
from templedb_nb.views.format import many
from templedb_nb.views.html.card import (
    Column,
    Tone,
    badge,
    body,
    card,
    code,
    facts,
    listed,
    marked,
    table,
    title,
    toned,
    when,
    with_commands,
)
from templedb_nb.views.html.markup import Child, Html, join, tag
from templedb_nb.views.messages import fleet_hints, fleet_rules, member_told

NAMED = 3
MOST_SIGNS = 1000
"""So many signs a card has at most: with more targets, one stands for several."""
_WIDTH_ZERO = "&#8203;"
SIGNS: Mapping[MemberState, tuple[Tone, str]] = {
    MemberState.UNKNOWN: (Tone.BAD, "?"),
    MemberState.FAILED: (Tone.BAD, "✗"),
    MemberState.STALE: (Tone.LOUD, "!"),
    MemberState.REFUSED: (Tone.LOUD, "!"),
    MemberState.CANCELLED: (Tone.LOUD, "■"),
    MemberState.RUNNING: (Tone.PLAIN, "▸"),
    MemberState.SUCCEEDED: (Tone.GOOD, "✓"),
    MemberState.CURRENT: (Tone.GOOD, "="),
    MemberState.WAITING: (Tone.QUIET, "·"),
}
"""Failures first: in this order the targets of a wave are drawn."""
_PLANNED = {
    PlannedState.READY: (Tone.PLAIN, "▸", "ready"),
    PlannedState.CURRENT: (Tone.GOOD, "✓", "nothing to do"),
    PlannedState.REFUSED: (Tone.BAD, "✗", "refused"),
    PlannedState.UNREACHABLE: (Tone.BAD, "✗", "not reached"),
}
_ENDS = {
    RolloutState.SUCCEEDED: (Tone.GOOD, "✓"),
    RolloutState.FAILED: (Tone.BAD, "✗"),
    RolloutState.UNKNOWN: (Tone.BAD, "?"),
    RolloutState.PLANNED: (Tone.PLAIN, "·"),
    RolloutState.RUNNING: (Tone.PLAIN, "▸"),
}
_LOUD = (Tone.LOUD, "!")


def fleet_plan_card(value: FleetPlan) -> Html:
    """Return what each target of a fleet needs, and in which waves they get it."""
    total = many(len(value.members), "target")
    of = f"fleet {value.fleet}" if value.fleet else value.where
    head = title(f"Plan for {total} of {value.slug}, release {value.release} ({of})")
    columns = (Column("Targets", number=True), Column("State"), Column("Needs", wide=True),
               Column("Which"))  # fmt: skip
    rows = body(columns, [_cohort(each) for each in value.cohorts])
    names = (Column("Wave"), Column("Targets", number=True), Column("Which", wide=True))
    waves = [[w.name, str(len(w.targets)), _names(w.targets)] for w in value.waves]
    bad = value.count(PlannedState.REFUSED) + value.count(PlannedState.UNREACHABLE)
    about: list[tuple[Child, Child]] = [
        ("Plan", code(short(value.id), value.id)),
        ("Planned", when(value.made_at)),
    ]
    news = [f"{len(value.came)} new"] if value.came else []
    news += [f"{len(value.gone)} gone"] if value.gone else []
    about.append(("Since the plan before", ", ".join(news)))
    return card(
        Tone.LOUD if bad else Tone.PLAIN,
        head,
        facts(about),
        table("What they need", columns, rows),
        table("Waves", names, body(names, waves)),
        tag("p", fleet_rules(value.rules)),
        [tag("p", with_commands(each)) for each in fleet_hints(value)],
    )


def _cohort(value: Cohort) -> list[Child]:
    tone, mark, word = _PLANNED[value.state]
    needs: list[Child] = [code(each) for each in value.steps]
    problems: list[Child] = [toned(Tone.LOUD, "! ", each) for each in value.problems]
    return [
        str(len(value.targets)),
        marked(tone, mark, word),
        listed([*problems, *needs]),
        _names(value.targets),
    ]


def _names(targets: tuple[TargetName, ...]) -> str:
    more = f" and {len(targets) - NAMED} more" if len(targets) > NAMED else ""
    return f"{', '.join(targets[:NAMED])}{more}"


def rollout_card(value: FleetStatus) -> Html:
    """Return how far a fleet's plan has come: a sign for each target, failures first."""
    tone, mark = _ENDS.get(value.state, _LOUD)
    of = f"fleet {value.fleet}" if value.fleet else "a plan"
    word = "not begun" if value.state is RolloutState.PLANNED else value.state.value
    head = title(f"Rollout of {of}, {value.slug} release {value.release}", badge(tone, mark, word))
    done, total = value.count(*GOOD), len(value.members)
    about: list[tuple[Child, Child]] = [
        ("Targets", f"{done} of {total} are done"),
        ("Why", value.why),
        ("Plan", code(short(value.plan), value.plan)),
        ("Started", join(when(value.started_at), f" by {value.started_by}"))
        if value.started_at
        else ("Started", None),
    ]
    each = -(-total // MOST_SIGNS) or 1
    caption = f"Waves, a sign for {each} targets" if each > 1 else "Waves"
    return card(
        tone,
        head,
        facts(about),
        _failures(value),
        table(caption, _WAVES, body(_WAVES, _waves(value, each))),
        [tag("p", with_commands(hint)) for hint in fleet_hints(value)],
    )


_FAILURES = (Column("Target"), Column("State"), Column("What", wide=True, told=True), Column("Run"))
_WAVES = (Column("Wave"), Column("Done", number=True), Column("Of", number=True),
          Column("Each target", wide=True))  # fmt: skip


def _failures(value: FleetStatus) -> Html | None:
    if not value.failures:
        return None
    rows = [_failure(each) for each in value.failures]
    return table("Failed", _FAILURES, body(_FAILURES, rows))


def _failure(value: MemberResult) -> list[Child]:
    tone, mark = SIGNS[value.state]
    run = tag("code", value.run[:13], title=value.run, style="white-space:nowrap")
    return [
        value.target,
        marked(tone, mark, value.state.value),
        member_told(value),
        run if value.run else None,
    ]


def _waves(value: FleetStatus, each: int) -> list[list[Child]]:
    return [
        [
            wave.name,
            str(wave.count(*GOOD)),
            str(wave.size),
            _signs({state: wave.count(state) for state in SIGNS}, each),
        ]
        for wave in value.waves
    ]


def _signs(counts: Mapping[MemberState, int], each: int) -> list[Child]:
    """Return a sign for *each* so many targets, at least one a state; those alike share one tag."""
    found: list[Child] = []
    for state, (tone, mark) in SIGNS.items():
        if number := counts[state]:
            signs = Html(_WIDTH_ZERO.join(mark * len(part) for part in _tens(-(-number // each))))
            found.append(tag("span", f" {number} {state.value} ", class_="tdb-quiet"))
            found.append(tag("span", signs, class_=f"tdb-{tone}", aria_hidden="true"))
    return found


def _tens(number: int) -> list[range]:
    """Return *number* in parts of ten, between which a line may break."""
    return [range(at, min(at + 10, number)) for at in range(0, number, 10)]
