"""The keys of a group whose deployments are switched between slots."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any  # Any: what a document holds until its shape is read

from templedb_nb.core.values.schema import (
    Choice,
    Complain,
    Duration,
    Key,
    Object,
    PairsOf,
    Text,
    WholeNumber,
)
from templedb_nb.model.blue_green import (
    BlueGreen,
    PromoteMode,
    Router,
    RouterStatus,
    RouterType,
    Slot,
)
from templedb_nb.model.dataclass import dataclass

_TEXT = Text()
_NAME = Text(r"[A-Za-z0-9][A-Za-z0-9_-]*", "may hold only letters, digits, _ -")
_VARIABLE = Text(r"[A-Za-z_][A-Za-z0-9_]*", "is not an environment variable name")
_LEAST = 2


@dataclass(frozen=True, slots=True)
class SlotNames:
    """A list of names, or an object: the name of a slot to its values."""

    def read(self, value: object, at: str, complain: Complain) -> tuple[Slot, ...]:
        """Return the slots, or complain."""
        if isinstance(value, Mapping):
            values = PairsOf(_VARIABLE, _TEXT)
            read = (
                Slot(
                    name=_NAME.read(name, f"{at}.{name}", complain),
                    values=() if own is None else values.read(own, f"{at}.{name}", complain),
                )
                for name, own in value.items()
            )
            # By name: what is stored as JSON has its keys in that order.
            found = tuple(sorted(read, key=lambda slot: slot.name))
        elif isinstance(value, list):
            names = [_NAME.read(each, f"{at}[{n}]", complain) for n, each in enumerate(value)]
            found = tuple(Slot(name=name) for name in names)
        else:
            complain(at, "must be a list of names, or an object: name to values")
            return ()
        if len({slot.name for slot in found}) != len(found):
            complain(at, "names a slot more than once")
        if len(found) < _LEAST:
            complain(at, "must name two slots or more")
        return found

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the shape."""
        names = {"type": "array", "items": _NAME.schema(), "minItems": _LEAST}
        values = {"oneOf": [PairsOf(_VARIABLE, _TEXT).schema(), {"type": "null"}]}
        pairs = {
            "type": "object",
            "propertyNames": _NAME.schema(),
            "additionalProperties": values,
            "minProperties": _LEAST,
        }
        return {"oneOf": [names, pairs]}


def slots_document(slots: tuple[Slot, ...]) -> Any:
    """Return what `SlotNames` reads back into *slots*."""
    if not any(slot.values for slot in slots):
        return [slot.name for slot in slots]
    return {slot.name: dict(slot.values) for slot in slots}


ROUTER_STATUS = Object(
    RouterStatus,
    (
        Key(
            "url",
            _TEXT,
            "A URL behind the router; its answer names the slot, whatever status it has. {var:NAME}"
            " stands for a variable's value.",
            "",
        ),
        Key("header", _TEXT, "The header of the answer whose value is the slot's name.", ""),
        Key(
            "pattern",
            _TEXT,
            "A regular expression for the body; its first group is the slot's name.",
            "",
        ),
        Key("command", _TEXT, "A command whose last line of output is the slot's name.", ""),
        Key("timeout", Duration(1), "How long one answer may take.", 5, "timeout_s"),
    ),
)

ROUTER = Object(
    Router,
    (
        Key("type", Choice(RouterType), "How traffic is sent to a slot."),
        Key("path", _TEXT, "symlink: the link that is replaced.", ""),
        Key("to", _TEXT, "symlink: where it points; {slot} stands for the slot's name.", ""),
        Key("file", _TEXT, "template: the file that is written.", ""),
        Key(
            "content",
            _TEXT,
            "template: the whole text of the file; {slot} stands for the slot's name and"
            " {slot:NAME} for one of its values.",
            "",
        ),
        Key("reload_command", _TEXT, "template: lets the router read the file.", ""),
        Key(
            "switch_command",
            _TEXT,
            "command: sends traffic to $TEMPLEDB_TO_SLOT.",
            "",
        ),
        Key(
            "status",
            ROUTER_STATUS,
            "Asks through the router which slot answers; needed by all types except symlink.",
            None,
        ),
    ),
)

BLUE_GREEN = Object(
    BlueGreen,
    (
        Key("slots", SlotNames(), "The slots: names, or names with values of their own."),
        Key("router", ROUTER, "What sends traffic to one of the slots."),
        Key(
            "promote",
            Choice(PromoteMode),
            "Whether traffic goes to the new slot once its gate has passed, or when a person says"
            " so.",
            PromoteMode.AUTO,
        ),
        Key(
            "keep_old",
            Duration(),
            "For how long no deployment overwrites the slot that served before.",
            900,
            "keep_old_s",
        ),
        Key(
            "soak",
            Duration(),
            "For how long the gates are asked again after the switch; a breach switches back.",
            0,
            "soak_s",
        ),
        Key(
            "confirm",
            WholeNumber(1, 1000),
            "How many times in a row the router must name the new slot.",
            5,
        ),
        Key(
            "switch_timeout",
            Duration(1),
            "Within which time it must.",
            60,
            "switch_timeout_s",
        ),
        Key(
            "healthy_within",
            Duration(1),
            "How old the gate's last good answer may be at the switch; else it is asked again.",
            60,
            "healthy_within_s",
        ),
        Key("drain", _TEXT, "Runs for a slot that traffic has left.", ""),
        Key("undrain", _TEXT, "Runs for a slot before traffic goes to it.", ""),
        Key(
            "retire_command",
            _TEXT,
            "Stops what runs in a slot: before a deployment into it, or by deploy slots --retire.",
            "",
        ),
        Key(
            "hook_timeout",
            Duration(1),
            "How long drain, undrain, retire_command, switch_command and reload_command may take"
            " each. Default: no limit.",
            None,
            "hook_timeout_s",
        ),
    ),
)
