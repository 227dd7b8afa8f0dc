"""Receivers of kind webhook: CloudEvents in JSON, signed as Standard Webhooks has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from templedb_nb.core.notifications.signing import key_bytes, signed_headers
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.receiver import Reply, ReplyKind
from templedb_nb.model.secret import Secret
from templedb_nb.notify.post import HttpReply, Post, post
from templedb_nb.ports.notifications import Parcel

CONTENT = "application/cloudevents+json; charset=utf-8"
_GONE = 410
_AGAIN = frozenset({408, 429})
"""Of the statuses that say that we are wrong, those that pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookCourier:
    """Posts a notification to an address that a program serves."""

    environ: Mapping[str, str] = field(default_factory=dict, repr=False)

    def deliver(self, parcel: Parcel, secrets: Mapping[str, Secret], within_s: float) -> Reply:
        """Try once."""
        named = [each for name, each in sorted(secrets.items()) if name.startswith("key")]
        try:
            keys = [key_bytes(each.reveal()) for each in named]
            seconds = int(parcel.sent_at.timestamp())
            signed = signed_headers(parcel.event, seconds, parcel.body, keys)
            sent = Post(
                url=secrets["address"].reveal(),
                body=parcel.body,
                headers={"Content-Type": CONTENT, **signed},
                public_only=parcel.settings.get("public_only") == "true",
                environ=self.environ,
            )
            return judged(post(sent, within_s, parcel.sent_at))
        except ValueError as error:
            return Reply(kind=ReplyKind.REFUSED, told=str(error))


def judged(reply: HttpReply) -> Reply:
    """Return what a status means: delivered, tried again, a dead letter, or wanted no more."""
    status = reply.status
    told = f"status {status}" if status else reply.trouble
    if 200 <= status < 300:  # noqa: PLR2004 - as HTTP has them
        return Reply(kind=ReplyKind.ACCEPTED, told=told, answer=reply.text)
    if status == _GONE:
        return Reply(
            kind=ReplyKind.GONE, told="status 410: it wants nothing any more", answer=reply.text
        )
    if 300 <= status < 400:  # noqa: PLR2004 - as HTTP has them
        told = f"{told}: redirects are not followed"
    elif 400 <= status < 500 and status not in _AGAIN:  # noqa: PLR2004 - as HTTP has them
        return Reply(kind=ReplyKind.REFUSED, told=told, answer=reply.text)
    return Reply(kind=ReplyKind.FAILED, told=told, wait_s=reply.wait_s, answer=reply.text)
