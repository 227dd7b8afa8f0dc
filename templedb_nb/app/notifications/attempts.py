"""One attempt to deliver, in a thread of its own: one that hangs costs its time, and no more."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import field

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.receiver import Reply, ReplyKind
from templedb_nb.model.secret import Secret
from templedb_nb.ports.notifications import Courier, Parcel

ATTEMPT_S = 10.0
"""How long one attempt may take."""
_GRACE_S = 0.2
"""What keeps its own limit, and tells what went wrong, gets so much more."""


def _nothing() -> None:
    """End nothing: a connection ends with its process."""


@dataclass(slots=True)
class SendAttempt:
    """Something that delivers, and what came of it; a library that hangs is left behind."""

    deliver: Callable[[], Reply] = field(repr=False)
    end: Callable[[], None] = _nothing
    """Ends what would outlive this process."""
    _ended: threading.Event = field(default_factory=threading.Event)
    _reply: Reply | None = None

    def begin(self) -> SendAttempt:
        """Begin it, and return at once."""
        threading.Thread(target=self._run, daemon=True, name="templedb-attempt").start()
        return self

    def _run(self) -> None:
        try:
            self._reply = self.deliver()
        except Exception as error:  # noqa: BLE001 - a defect, here or in a library, ends nothing else
            told = f"a defect: {type(error).__name__}"
            self._reply = Reply(kind=ReplyKind.FAILED, told=told)
        finally:
            self._ended.set()

    def reply(self, within_s: float) -> Reply | None:
        """Return what came of it, or nothing if it goes on for longer than that."""
        return self._reply if self._ended.wait(within_s) else None


def tried(
    courier: Courier, parcel: Parcel, secrets: Mapping[str, Secret], within_s: float
) -> Reply:
    """Try once, for no longer than that, whatever the library does that talks to the receiver."""
    attempt = SendAttempt(lambda: courier.deliver(parcel, secrets, within_s)).begin()
    return attempt.reply(within_s + _GRACE_S) or late(within_s)


def late(within_s: float) -> Reply:
    """Return that an attempt took longer than it may."""
    return Reply(kind=ReplyKind.FAILED, told=f"it was not done within {within_s:.3g} s")
