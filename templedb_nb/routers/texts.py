"""What is written into a link or a file so that it names a slot."""

from __future__ import annotations

from templedb_nb.core.slots.filling import filled, lacking
from templedb_nb.errors import RouterFailed
from templedb_nb.model.blue_green import BlueGreen


def written_text(wanted: BlueGreen, template: str, to: str) -> str:
    """Return *template* for the slot *to*; what would name no slot is never written."""
    if to not in wanted.names:
        hint = f"name one of {', '.join(wanted.names)}"
        raise RouterFailed(f"{to!r} is none of the slots; nothing was replaced", hint=hint)
    slot = wanted.slot(to)
    if gone := lacking(template, slot):
        message = f"the slot {to} has no value {gone[0]}; nothing was replaced"
        raise RouterFailed(message, hint=f"set slots.{to}.{gone[0]} of blue_green in the config")
    text = filled(template, slot)
    if not text.strip():
        raise RouterFailed(f"the router would get an empty text for {to}; nothing was replaced")
    return text
