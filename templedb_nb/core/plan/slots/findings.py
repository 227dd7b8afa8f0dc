"""What forbids a switch, and what its reader must know: router, record, and what is kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from templedb_nb.core.config.document import problem
from templedb_nb.core.plan.situation import Situation
from templedb_nb.core.plan.slots.steps import idle, serving
from templedb_nb.model.compatibility import Compat
from templedb_nb.model.finding import Finding, Severity, Topic
from templedb_nb.model.plan import Plan, ScriptSummary
from templedb_nb.model.run_kind import RunKind
from templedb_nb.model.slots import GroupSlots, RouterState, SlotState
from templedb_nb.model.step import Apply, RunCommand
from templedb_nb.model.switch_step import SwitchSlot

SPLIT = (
    "deploy code that does not need it first; then, when nobody goes back to the old slot any "
    "more, a release with this file and --skip-group"
)

_LEAVE = "take a slot out of the config once traffic goes to another one"


def on_slots(
    made: Plan, situation: Situation, scripts: Sequence[ScriptSummary]
) -> Iterator[Finding]:
    """Yield what is wrong with each group whose traffic the plan switches, and with migrations."""
    asked = {step.group for step in made.steps if isinstance(step, SwitchSlot)}
    used = {s.group for s in made.steps if isinstance(s, RunCommand) and s.slot}
    for name in sorted(asked | used):
        now = situation.slots.get(name)
        if now is None:
            continue
        if made.run_kind is RunKind.SWITCH:
            yield from _by_hand(now, made)
            continue
        yield from _on_reading(now, situation)
        if made.run_kind is not RunKind.RETIRE:
            yield from _on_kept(now, made, situation)
            yield from _on_unlisted(now, situation)
    yield from _on_migrations(made, situation, scripts, switching=sorted(asked))


def _on_reading(now: GroupSlots, situation: Situation) -> Iterator[Finding]:
    told, record = now.reading, now.recorded
    switch = f"templedb deploy switch SLOT --target {situation.target} --reason WHY"
    look = f"templedb deploy slots --target {situation.target}"
    if told.state in {RouterState.UNKNOWN, RouterState.SILENT}:
        what = "names none of its slots" if told.state is RouterState.UNKNOWN else "does not answer"
        message = f"the router {what}: {told.message}"
        mend = f"{look} asks again; {switch} sends traffic to a slot"
        if record and record not in now.names:
            mend = f"add {record}, which serves, to slots again; {_LEAVE}"
            if situation.options.rollback:
                mend = f"the config of that release has no slot {record}: {_way(now, switch)}"
        yield _wrong(now.group, message, mend)
    elif record and now.live != record:
        says = f"names {now.live}" if now.live else "sends traffic nowhere"
        message = f"the router {says}, and the record says that {record} serves"
        accept = switch.replace("SLOT", now.live or record)
        put_back = switch.replace("SLOT", record)
        mend = f"{accept} accepts it; {put_back} sends traffic back" if now.live else accept
        yield _wrong(now.group, message, mend)
    elif told.pending:
        message = (
            f"{now.live} serves, but the router's file names {told.pending}: a reload switches"
        )
        mend = "templedb deploy resume continues the switch; "
        mend += switch.replace("SLOT", now.live) + " writes the file of the slot that serves"
        yield _wrong(now.group, message, mend)
    elif now.live and not record:
        message = f"nothing is recorded of its slots: {now.live}, which the router names, is live"
        yield Finding(severity=Severity.NOTE, topic=Topic.SLOTS, message=message, where=now.group)


def _way(now: GroupSlots, switch: str) -> str:
    """Return what lets a rollback begin whose config does not have the slot that serves."""
    warm = [now.record(each) for each in now.names if now.record(each).state is SlotState.WARM]
    if warm:  # the one that traffic has left last: the config of today is likeliest to have it
        last = max(warm, key=lambda record: record.since.isoformat() if record.since else "")
        return (
            f"{switch.replace('SLOT', last.slot)} sends traffic to one that it has; then roll back"
        )
    return "deploy its files as a new release, with the slots of today"


def _on_kept(now: GroupSlots, made: Plan, situation: Situation) -> Iterator[Finding]:
    writes = any(
        isinstance(step, RunCommand) and step.slot and step.group == now.group
        for step in made.steps
    )
    if not writes:
        return
    record = now.record(idle(now))
    if record.state is SlotState.SWITCHING and now.live in {record.slot, now.recorded}:
        # Where the router names neither, resuming is refused, and the reading says what to do.
        message = f"a switch to {record.slot} was begun, and its end is not recorded"
        yield _wrong(now.group, message, "templedb deploy resume continues it")
    if record.slot not in now.kept:
        return
    message = (
        f"{record.slot} keeps the previous release until {record.keep_until:%Y-%m-%d %H:%M:%SZ}"
    )
    if situation.options.discard_old or situation.options.rollback:
        told = f"{message}; this plan overwrites it"
        yield Finding(severity=Severity.WARNING, topic=Topic.SLOTS, message=told, where=now.group)
    else:
        mend = "--discard-old overwrites it: then nobody can go back to it by a switch"
        yield _wrong(now.group, message, mend)


def _on_unlisted(now: GroupSlots, situation: Situation) -> Iterator[Finding]:
    """Yield the slots that left the config while a release runs there: nothing stops them."""
    if situation.options.rollback or not now.retires:
        return
    for record in now.unlisted:
        if record.slot == now.recorded:
            continue  # the reading says it
        release = f"release {record.release}" if record.release else "a release"
        message = f"{release} runs in {record.slot} ({record.state}), which is not in slots"
        retire = f"templedb deploy slots --target {situation.target}"
        flag = "--clean" if record.state is SlotState.DIRTY else "--retire"
        again = f"add {record.slot} to slots again, and import the project"
        mend = f"{again}; then {retire} {flag} stops what runs there"
        yield Finding(
            severity=Severity.WARNING,
            topic=Topic.SLOTS,
            message=message,
            mend=mend,
            where=now.group,
        )


def _by_hand(now: GroupSlots, made: Plan) -> Iterator[Finding]:
    step = next(s for s in made.steps if isinstance(s, SwitchSlot) and s.group == now.group)
    record = now.record(step.to)
    if now.live == step.to or record.state in {SlotState.LIVE, SlotState.WARM}:
        return
    if record.state is SlotState.SWITCHING or (
        record.state is SlotState.DIRTY and record.healthy_at is not None
    ):
        return
    if not record.run and not serving(now):
        return  # nobody has deployed here by templedb: a person knows what is in the slots
    what = {
        SlotState.IDLE: "nothing of a release runs there",
        SlotState.DIRTY: "a deployment into it did not get as far as a healthy gate",
    }[record.state]
    mend = f"templedb deploy run --target {made.target} deploys into the slot that serves nobody"
    yield _wrong(now.group, f"traffic does not go to {step.to}: {what}", mend)


_BREAKING: Mapping[Compat, str] = {
    Compat.CONTRACT: "breaks older code",
    Compat.UNKNOWN: "may break older code",
}


def _on_migrations(
    made: Plan, situation: Situation, scripts: Sequence[ScriptSummary], *, switching: Sequence[str]
) -> Iterator[Finding]:
    """Yield migrations after which the slot that serves, or the one that is kept, may fail."""
    kept = [f"{name}: {slot}" for name, now in situation.slots.items() for slot in now.kept]
    if made.rollback or not (switching or kept):
        return
    applied = {step.file for step in made.steps if isinstance(step, Apply)}
    for each in scripts:
        found = each.compatibility
        if found is None or each.file not in applied or found.word not in _BREAKING:
            continue
        why = f"{_BREAKING[found.word]}{f' ({found.reason})' if found.reason else ''}"
        if switching:
            message = f"{why}, and {', '.join(switching)} serves by older code until the switch"
            mend = SPLIT
            if found.word is Compat.UNKNOWN:
                mend = (
                    f"-- templedb:compat expand in the file says that older code works on; {SPLIT}"
                )
            yield _wrong(each.file, message, mend)
        elif not situation.options.discard_old:
            message = f"{why}, and a slot is kept to go back to ({', '.join(kept)})"
            yield _wrong(each.file, message, "wait until it is not kept any more, or --discard-old")


def _wrong(where: str, message: str, mend: str) -> Finding:
    return problem(where, message, mend, topic=Topic.SLOTS)
