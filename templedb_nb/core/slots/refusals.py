"""Why traffic cannot go over from where it goes now."""

from __future__ import annotations

from templedb_nb.core.slots.sentences import says
from templedb_nb.model.slots import GroupSlots, RouterState, SlotState
from templedb_nb.model.switch_step import SwitchSlot


def refusal(step: SwitchSlot, now: GroupSlots) -> str:
    """Return why a switch must not go on; nothing where it may.

    The new slot may serve already only if a switch of ours was begun to it, or a person says so.
    """
    told = now.reading
    if step.anyhow:
        return ""
    if told.state is RouterState.NAMED and now.live == step.live:
        return ""
    ours = now.record(step.to).state in {SlotState.SWITCHING, SlotState.LIVE}
    if now.live == step.to and (ours or step.reason):
        return ""
    if told.state is RouterState.ABSENT and not step.live:
        return ""
    return f"the plan switches {step.live or 'no slot'} to {step.to}, but {says(told)}"
