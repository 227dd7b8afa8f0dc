"""The key of a project's file that names receivers of notifications, by reference."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any  # Any: a JSON document, whose shape is read here

from templedb_nb.core.notifications.filters import misspelt
from templedb_nb.core.notifications.parts import settings_of, shape_problems
from templedb_nb.core.values.schema import Choice, Flag, Key, ListOf, Object, PairsOf, Text
from templedb_nb.model.notification import Urgency
from templedb_nb.model.project import Slug
from templedb_nb.model.receiver import ReceiverFilter, ReceiverKind
from templedb_nb.model.variable import Keeping, Variable

_NAME = Text(r"[A-Za-z0-9][A-Za-z0-9_.-]*", "may hold only letters, digits, _ . -")
_TEXT = Text()


def _given(**given: Any) -> dict[str, Any]:
    return given


RECEIVER = Object(
    _given,
    (
        Key("kind", Choice(ReceiverKind), "How the receiver is reached."),
        Key("address", _TEXT, "A reference to its address: env:NAME, file:PATH."),
        Key("keys", ListOf(_TEXT, single=True), "References to the signing keys of a webhook.", ()),
        Key("from", _TEXT, "The sender of e-mails.", "", "sender"),
        Key("to", ListOf(_TEXT, single=True), "Who gets the e-mails.", ()),
        Key("channel", _TEXT, "The Slack channel, where the address is a bot's token.", ""),
        Key(
            "public_only",
            Flag(),
            "Whether a webhook's host must have only public addresses.",
            False,  # noqa: FBT003 - a default
        ),
        Key(
            "events",
            ListOf(_TEXT, single=True),
            "Kinds of events, or patterns such as rollback.*. Default: the default set.",
            (),
        ),
        Key("targets", ListOf(_TEXT, single=True), "Targets. Default: every target.", ()),
        Key(
            "severity",
            Choice(Urgency),
            "The least severity that is sent.",
            Urgency.INFO,
            "urgency",
        ),
    ),
)
RECEIVERS = PairsOf(_NAME, RECEIVER)

FileReceiver = tuple[str, ReceiverKind, tuple[Variable, ...], tuple[tuple[str, str], ...],
                     ReceiverFilter]  # fmt: skip
Report = Callable[[str, str, str], None]
"""Told the key, what is wrong there, and what helps."""


def file_receivers(
    slug: Slug, pairs: Any, is_reference: Callable[[str], bool], report: Report
) -> Iterator[FileReceiver]:
    """Yield the receivers that a project's file names, with every complaint about them."""
    for name, given in pairs:
        at = f"notifications.{name}"
        texts = {"address": given["address"]}
        texts |= {f"key{n}": each for n, each in enumerate(given["keys"], start=1)}
        for part, text in texts.items():
            if not is_reference(text):
                key = "keys" if part.startswith("key") else part
                hint = "use a reference such as env:NAME"
                report(f"{at}.{key}", "is a value, but this file is checked in", hint)
        for each in misspelt(given["events"]):
            report(f"{at}.events", f"{each!r} is not a kind of event", "templedb notify add --help")
        settings = settings_of(
            sender=given["sender"],
            to=given["to"],
            channel=given["channel"],
            public_only=given["public_only"],
        )
        for told in shape_problems(given["kind"], settings, keys=len(given["keys"])):
            report(at, told, "")
        secrets = tuple(
            Variable(
                project=slug, target=None, name=f"{name}.{part}", keeping=Keeping.REFERENCE,
                text=text,
            )
            for part, text in texts.items()
            if is_reference(text)
        )  # fmt: skip
        wanted = ReceiverFilter(
            events=given["events"], targets=given["targets"], urgency=given["urgency"]
        )
        yield name, given["kind"], secrets, settings, wanted
