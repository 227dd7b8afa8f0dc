"""A notification as blocks of Slack: within its limits, and without a button.

Approvals are not given in a chat: a message has the command, and a link.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from templedb_nb.model.notification import Notification, Urgency
from templedb_nb.views.format import moment, shown

LONGEST = 3000
"""So many characters the text of a block may have."""
_FIELD, _FIELDS = 2000, 10
_HEAD = 2900
_NO_MARK = str.maketrans("`", "'")
_MARKS = {
    Urgency.INFO: ":white_circle:",
    Urgency.WARNING: ":large_yellow_circle:",
    Urgency.ERROR: ":red_circle:",
    Urgency.CRITICAL: ":rotating_light:",
}


def slack_message(told: Notification, earlier: Sequence[Notification] = ()) -> bytes:
    """Return the body of a message; *earlier* is what its run told before, oldest first."""
    blocks = [_section(f"{_MARKS[told.urgency]} *{_escaped(shown(told.title))}*")]
    if told.message:
        blocks.append(_section(_quoted(told.message)))
    if pairs := [(name, value) for name, value in told.facts if value][:_FIELDS]:
        fields = [
            {"type": "mrkdwn", "text": _cut(f"*{_escaped(n)}*\n{_escaped(shown(v))}", _FIELD)}
            for n, v in pairs
        ]
        blocks.append({"type": "section", "fields": fields})
    if earlier:
        lines = [f"{moment(each.at)}  {_escaped(shown(each.what))}" for each in earlier]
        blocks.append(_section("\n".join(lines[-20:])))
    blocks += [_section(f"next: `{_escaped(shown(told.command))}`")] if told.command else []
    blocks += [_section(f"<{_escaped(told.link)}|Report>")] if told.link else []
    body: dict[str, Any] = {"text": _cut(_escaped(shown(told.title)), LONGEST), "blocks": blocks}
    return json.dumps(body, ensure_ascii=False).encode()


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": _cut(text, LONGEST)}}


def _quoted(text: str) -> str:
    """Return a message as a block of code; its own marks of such a block cannot end it."""
    return f"```{_cut(_escaped(text.translate(_NO_MARK)), _HEAD)}```"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cut(text: str, longest: int) -> str:
    """Return a text that is no longer than that; no escaped character at its end is halved."""
    if len(text) <= longest:
        return text
    kept = text[: longest - 1]
    place = kept.rfind("&")
    if place >= 0 and ";" not in kept[place:] and len(kept) - place < len("&amp;"):
        kept = kept[:place]
    return f"{kept}…"
