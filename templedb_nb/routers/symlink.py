"""The router of type symlink: a link that is replaced in one step, and is itself the truth."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from templedb_nb.core.slots.filling import filled
from templedb_nb.errors import RouterFailed
from templedb_nb.failpoints import reach
from templedb_nb.model.blue_green import BlueGreen
from templedb_nb.model.slots import RouterReading, RouterState
from templedb_nb.routers.places import Replacing
from templedb_nb.routers.texts import written_text


def read(wanted: BlueGreen, link: Path) -> RouterReading:
    """Return the slot to whose place the link points."""
    try:
        target = os.readlink(link)  # noqa: PTH115 - the text, as it stands
    except FileNotFoundError:
        return RouterReading(state=RouterState.ABSENT, message=f"there is no link {link}")
    except OSError as error:
        return _unread(link, error)
    message = f"{link} points to {target}"
    for slot in wanted.slots:
        if _same(link, target, filled(wanted.router.to, slot)):
            return RouterReading(state=RouterState.NAMED, slot=slot.name, message=message)
    message += f", which is none of the slots {', '.join(wanted.names)}"
    return RouterReading(state=RouterState.UNKNOWN, message=message)


def _unread(link: Path, error: OSError) -> RouterReading:
    if error.errno == errno.EINVAL:
        message = f"{link} is {_kind(link)}, not a link"
        return RouterReading(state=RouterState.UNKNOWN, message=message)
    message = f"{link} cannot be read: {error.strerror}"
    return RouterReading(state=RouterState.SILENT, message=message)


def _same(link: Path, one: str, other: str) -> bool:
    """Return whether two texts of a link mean the same place; no other link is followed."""
    return link.parent / one == link.parent / other


def _kind(place: Path) -> str:
    with suppress(OSError):
        return "a folder" if stat.S_ISDIR(place.lstat().st_mode) else "a file"
    return "something else"


def point(wanted: BlueGreen, link: Path, to: str) -> Callable[[], bool]:
    """Replace the link by one to the slot *to*; return what puts the former one back."""
    target = written_text(wanted, wanted.router.to, to)
    at = Replacing(place=link)
    with at.writing():
        _refuse_nothing(link, target)
        former = _former(link)
        _replace(at, target)

    def undo() -> bool:
        with at.writing():
            if _former(link) != target:
                return False
            if former is None:
                link.unlink()
            else:
                _replace(at, former)
        return True

    return undo


def _refuse_nothing(link: Path, target: str) -> None:
    """Refuse to send traffic to where nothing is."""
    place = link.parent / target
    try:
        place.stat()
    except (FileNotFoundError, NotADirectoryError):
        message = f"{link} is not replaced: it would point to {place}, which does not exist"
        hint = "deploy to that slot; a relative `to` is relative to the folder of the link"
        raise RouterFailed(message, hint=hint) from None
    except OSError:
        return  # somebody else may see it


def _former(link: Path) -> str | None:
    try:
        return os.readlink(link)  # noqa: PTH115 - the text, as it stands
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    message = f"{link} is {_kind(link)}, not a link; it is not replaced"
    raise RouterFailed(message, hint=f"move it away: mv {link} {link}.old")


def _replace(at: Replacing, target: str) -> None:
    at.prepare()
    at.new.symlink_to(target)
    with suppress(OSError):  # some servers follow a link only for its owner's sake
        owner = at.place.lstat()
        os.chown(at.new, owner.st_uid, owner.st_gid, follow_symlinks=False)
    reach("router.prepared")
    at.replace()
