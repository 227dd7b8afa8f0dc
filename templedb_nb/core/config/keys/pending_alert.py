"""The key of a config that says when pending files have waited for too long."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any  # Any: what a document holds until its shape is read

from templedb_nb.core.values.schema import Complain, Duration, PairsOf, Text
from templedb_nb.model.config import PendingAlert
from templedb_nb.model.dataclass import dataclass

OFF = "off"
_NAME = Text(r"[A-Za-z0-9][A-Za-z0-9_.-]*", "may hold only letters, digits, _ . -")


@dataclass(frozen=True, slots=True)
class DurationOrOff:
    """A duration of one second or more, or ``off``, which is 0."""

    def read(self, value: object, at: str, complain: Complain) -> int:
        """Return the seconds, or complain."""
        if value == OFF or value is False:  # YAML 1.1 reads off as false
            return 0
        return Duration(1).read(value, at, complain)

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the shape."""
        return {"anyOf": [{"const": OFF}, Duration(1).schema()]}


@dataclass(frozen=True, slots=True)
class AlertAfter:
    """A duration or ``off`` for all targets; or an object: that of each target by its name."""

    def read(self, value: object, at: str, complain: Complain) -> PendingAlert:
        """Return after how long an alert is given, or complain."""
        if isinstance(value, Mapping):
            return PendingAlert(of_targets=_BY_TARGET.read(value, at, complain))
        return PendingAlert(after_s=DurationOrOff().read(value, at, complain))

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the shape."""
        return {"anyOf": [DurationOrOff().schema(), _BY_TARGET.schema()]}


_BY_TARGET = PairsOf(_NAME, DurationOrOff())


def pending_alert_document(value: PendingAlert) -> Any:
    """Return the document that `AlertAfter` reads back."""
    if value.of_targets:
        return {name: seconds or OFF for name, seconds in value.of_targets}
    return value.after_s or OFF
