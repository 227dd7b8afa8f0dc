"""Receivers of kind slack: an incoming webhook, or a bot that keeps one message for each run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from templedb_nb.core.notifications.parts import BOT
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.receiver import Reply, ReplyKind
from templedb_nb.model.secret import Secret
from templedb_nb.notify.post import Post, post
from templedb_nb.notify.webhook import judged
from templedb_nb.ports.notifications import Parcel

API = "https://slack.com/api"
_LONGEST = 64 * 1024
_GONE = frozenset({"message_not_found", "cant_update_message", "edit_window_closed"})
"""Why a message cannot be changed any more: then there is a new one."""
_PERMANENT = frozenset({
    "account_inactive", "channel_not_found", "ekm_access_denied", "invalid_auth",
    "invalid_blocks", "is_archived", "missing_scope", "msg_too_long", "no_permission",
    "not_authed", "not_in_channel", "restricted_action", "token_expired", "token_revoked",
})  # fmt: skip
"""What no second attempt changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackCourier:
    """Posts to a channel; as a bot it changes the message of the run that it wrote before."""

    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    api: str = API

    def deliver(self, parcel: Parcel, secrets: Mapping[str, Secret], within_s: float) -> Reply:
        """Try once."""
        address = secrets["address"].reveal()
        try:
            if address.startswith(BOT):
                return self._as_bot(address, parcel, within_s)
            return judged(post(self._post(address, parcel.body), within_s, parcel.sent_at))
        except ValueError as error:
            return Reply(kind=ReplyKind.REFUSED, told=str(error))

    def _as_bot(self, token: str, parcel: Parcel, within_s: float) -> Reply:
        content = json.loads(parcel.body)
        channel, _, written = parcel.reference.partition(":")
        if written:
            own = {**content, "channel": channel, "ts": written}
            reply, error = self._called("chat.update", token, own, parcel, within_s)
            if error not in _GONE:
                return reply
        own = {**content, "channel": parcel.settings.get("channel", "")}
        return self._called("chat.postMessage", token, own, parcel, within_s)[0]

    def _called(
        self, method: str, token: str, content: dict[str, Any], parcel: Parcel, within_s: float
    ) -> tuple[Reply, str]:
        """Return what came of a call, and the error that Slack names, if it does."""
        sent = self._post(f"{self.api}/{method}", json.dumps(content).encode(), token)
        got = post(sent, within_s, parcel.sent_at)
        reply = judged(got)
        if reply.kind is not ReplyKind.ACCEPTED:
            return reply, ""
        try:
            answer = json.loads(got.text)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            return Reply(kind=ReplyKind.FAILED, told="the answer is not one of Slack"), ""
        if answer.get("ok"):
            reference = f"{answer.get('channel', '')}:{answer.get('ts', '')}"
            return Reply(kind=ReplyKind.ACCEPTED, told="taken", reference=reference), ""
        error = str(answer.get("error", "no reason"))
        kind = ReplyKind.REFUSED if error in _PERMANENT else ReplyKind.FAILED
        return Reply(kind=kind, told=f"Slack says {error}", wait_s=got.wait_s), error

    def _post(self, url: str, body: bytes, token: str = "") -> Post:
        headers = {"Content-Type": "application/json; charset=utf-8"}
        return Post(
            url=url,
            body=body,
            headers=headers | ({"Authorization": f"Bearer {token}"} if token else {}),
            environ=self.environ,
            longest=_LONGEST,
            whole=bool(token),
        )
