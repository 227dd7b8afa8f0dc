"""A notification as a CloudEvent 1.0, in its JSON form."""

from __future__ import annotations

import json
from datetime import UTC
from urllib.parse import quote

from templedb_nb.model.notification import Notification

VERSION = "1.0"
TYPES = "io.templedb."
"""What the types of our events begin with."""


def cloud_event(told: Notification) -> bytes:
    """Return the event; `data` has what people read, and the names that programs ask for."""
    event = {
        "specversion": VERSION,
        "id": told.id,
        "source": f"/templedb/{quote(told.project)}/{quote(told.target)}",
        "type": f"{TYPES}{told.kind}",
        **({"subject": told.run or told.plan} if told.run or told.plan else {}),
        "time": told.at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": {
            "kind": told.kind,
            "severity": told.urgency,
            "title": told.title,
            "message": told.message,
            "project": told.project,
            "target": told.target,
            "run": told.run,
            "plan": told.plan,
            "facts": dict(told.facts),
            "command": told.command,
            "link": told.link,
        },
    }
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
