"""What a receiver of each kind is made of, and what is wrong with one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from urllib.parse import parse_qsl, unquote, urlsplit

from templedb_nb.core.notifications.signing import key_bytes
from templedb_nb.model.receiver import ReceiverKind as Kind

Settings = tuple[tuple[str, str], ...]

_TELLING = 8
"""A part of an address that is shorter is a word, and no secret."""
BOT = "xoxb-"
"""What a Slack bot's token begins with."""


def settings_of(
    *, sender: str = "", to: Sequence[str] = (), channel: str = "", public_only: bool = False
) -> Settings:
    """Return what of a receiver is no secret."""
    given = {
        "from": sender,
        "to": ", ".join(to),
        "channel": channel,
        "public_only": "true" if public_only else "",
    }
    return tuple((name, value) for name, value in given.items() if value)


_FITS = {
    "from": (Kind.EMAIL,),
    "to": (Kind.EMAIL,),
    "channel": (Kind.SLACK,),
    "public_only": (Kind.WEBHOOK,),
}


def shape_problems(kind: Kind, settings: Settings, *, keys: int = 0) -> Iterator[str]:
    """Yield what is wrong with a receiver whose address is not known yet."""
    given = dict(settings)
    for name in given:
        if kind not in _FITS[name]:
            yield f"a receiver of kind {kind} takes no {name}"
    if keys and kind is not Kind.WEBHOOK:
        yield f"a receiver of kind {kind} takes no signing keys"
    if kind is Kind.EMAIL:
        yield from (
            f"a receiver of kind email needs {name}"
            for name in ("from", "to")
            if not given.get(name)
        )
        for name in ("from", "to"):
            for each in filter(None, (part.strip() for part in given.get(name, "").split(","))):
                bare = each.strip("<>").split("<")[-1]
                if "@" not in each or any(c.isspace() for c in bare):
                    yield f"{name}: {each!r} is not an e-mail address"
                elif not bare.isascii():
                    yield f"{name}: {each!r} has letters that mail servers refuse; write xn--…"


def address_problems(kind: Kind, address: str, settings: Settings) -> Iterator[str]:
    """Yield what is wrong with an address, without repeating it."""
    match kind:
        case Kind.WEBHOOK:
            if not _is_url(address, ("http", "https")):
                yield "the address of a webhook is an http or https URL"
        case Kind.EMAIL:
            if not _is_url(address, ("smtp", "smtps")):
                yield "the address of an e-mail receiver is smtp://USER:PASSWORD@HOST:PORT"
        case Kind.SLACK:
            yield from _slack_problems(address, dict(settings).get("channel", ""))
        case Kind.APPRISE:
            if "://" not in address:
                yield "the address of an Apprise receiver is one of its URLs"
        case Kind.COMMAND:
            if "\0" in address:
                yield "a command cannot contain a NUL character"


def _slack_problems(address: str, channel: str) -> Iterator[str]:
    if address.startswith(BOT):
        if not channel:
            yield "a Slack bot needs a channel"
    elif not _is_url(address, ("http", "https")):
        yield f"the address of a Slack receiver is an incoming webhook or a token, {BOT}…"
    elif channel:
        yield "an incoming webhook of Slack has its own channel: leave the channel out"


def telling(address: str) -> Iterator[str]:
    """Yield the parts of a URL that give it away: what a receiver may repeat of it in an answer."""
    try:
        parts = urlsplit(address)
        pairs = parse_qsl(parts.query, keep_blank_values=True)
        names = [parts.username or "", parts.password or ""]
    except ValueError:
        return
    if not parts.scheme or not parts.netloc:
        return
    yield from (unquote(each) for each in names[1:] if each)
    yield from (value for _, value in pairs if len(value) >= _TELLING)
    yield from (each for each in parts.path.split("/") if len(each) >= _TELLING)


def key_problem(text: str) -> str:
    """Return what is wrong with a signing key; nothing if it is good."""
    try:
        key_bytes(text)
    except ValueError as error:
        return str(error)
    return ""


def _is_url(text: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme.lower() in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
