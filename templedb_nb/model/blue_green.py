"""Blue-green as a config has it: the slots of a group, the router between them, how to switch."""

from __future__ import annotations

from enum import StrEnum

from templedb_nb.model.dataclass import dataclass


class RouterType(StrEnum):
    """How traffic is sent to a slot."""

    SYMLINK = "symlink"
    """A symbolic link that is replaced in one step; it is itself the truth."""
    TEMPLATE = "template"
    """A file that is written in one step and then read by a program that is told to."""
    COMMAND = "command"
    """A command that switches, and one that says where traffic goes."""


class PromoteMode(StrEnum):
    """Who lets traffic go to the new slot once its gate has passed."""

    AUTO = "auto"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterStatus:
    """How one learns through the router which slot answers.

    Either `url` is asked, and the header or the first group of the pattern in the body names the
    slot; or the last line of what `command` writes does.
    """

    url: str = ""
    header: str = ""
    pattern: str = ""
    command: str = ""
    timeout_s: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Router:
    """What sends traffic to one of the slots.

    ``{slot}`` stands for the slot's name and ``{slot:NAME}`` for one of its values, in `to` and
    `content`.
    """

    type: RouterType
    path: str = ""
    to: str = ""
    file: str = ""
    content: str = ""
    reload_command: str = ""
    switch_command: str = ""
    status: RouterStatus | None = None

    @property
    def place(self) -> str:
        """Return what is written to switch: the link or the file; nothing of a command."""
        return self.path or self.file


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One of the places between which traffic is switched, with values of its own by name."""

    name: str
    values: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BlueGreen:
    """How a group is deployed into one slot while another one serves; times are in seconds.

    A switch is done when the router has named the new slot `confirm` times in a row, and it must
    be within `switch_timeout_s`. `keep_old_s` is for how long no deployment overwrites the slot
    that served before. `healthy_within_s` is how old the gate's last good answer may be.
    """

    slots: tuple[Slot, ...]
    router: Router
    promote: PromoteMode = PromoteMode.AUTO
    keep_old_s: int = 900
    soak_s: int = 0
    confirm: int = 5
    switch_timeout_s: int = 60
    healthy_within_s: int = 60
    drain: str = ""
    undrain: str = ""
    retire_command: str = ""
    hook_timeout_s: int | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Return the slots' names, in order."""
        return tuple(slot.name for slot in self.slots)

    def slot(self, name: str) -> Slot:
        """Return the slot of that name, which must be there."""
        return next(slot for slot in self.slots if slot.name == name)
