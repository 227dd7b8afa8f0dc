"""Receivers of kind apprise: a hundred other services, through the library of that name.

It says of a message whether it went, and no more: neither why not, nor whether to try again; and
nothing that was sent can be changed.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.notification import Urgency
from templedb_nb.model.receiver import Reply, ReplyKind
from templedb_nb.model.secret import Secret
from templedb_nb.ports.notifications import Parcel

INSTALL = "pip install 'templedb-nb[apprise]'"
_TYPES = {
    Urgency.INFO: "info",
    Urgency.WARNING: "warning",
    Urgency.ERROR: "failure",
    Urgency.CRITICAL: "failure",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AppriseCourier:
    """Gives a title and a text to Apprise."""

    def deliver(self, parcel: Parcel, secrets: Mapping[str, Secret], within_s: float) -> Reply:
        """Try once.

        The library has only limits for single reads, of four seconds: whoever calls waits no longer
        than *within_s*.
        """
        del within_s
        try:
            import apprise
        except ImportError:
            return Reply(kind=ReplyKind.FAILED, told=f"Apprise is not installed: {INSTALL}")
        own = logging.getLogger("apprise")
        own.addHandler(logging.NullHandler())
        own.propagate = False  # what it logs may name the address
        there = apprise.Apprise()
        if not there.add(secrets["address"].reveal()):
            return Reply(kind=ReplyKind.REFUSED, told="Apprise knows no service of that address")
        sent = there.notify(
            title=parcel.title,
            body=parcel.text,
            notify_type=_TYPES[parcel.urgency],
            body_format="text",
        )
        if sent:
            return Reply(kind=ReplyKind.ACCEPTED, told="Apprise sent it")
        return Reply(kind=ReplyKind.FAILED, told="Apprise could not send it, and does not say why")
