"""A run's own record: a file of one event a line, which outlives whoever writes it.

A line is ``{"v": 1, "run", "seq", "at", "elapsed_ms", "event"}``. The writer holds an OS lock on
the file; anybody may fold it into the store, and only a holder of the lock removes it. A last line
without its line end was torn by a crash and is dropped.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from templedb_nb.errors import JournalFailed, StoreError
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.event import Event, OutputWritten, RunId, RunStarted, Stamped, StatementRan
from templedb_nb.model.result import Progress, Result
from templedb_nb.model.serialization import from_plain, to_plain
from templedb_nb.store.advice import SAFE, room

FORMAT = 1
FOLD_EVERY_MS = 3000
ASIDE = ".damaged"
"""The end of the name of a journal that was folded as far as it can be read."""
BESIDE = (".wish", ".wished", ".new", ".alive", ".asked")
"""The ends of the names of what stands beside a journal."""
ASK_AGAIN_S = 60
"""A target that did not answer is asked again after so long what became of a run that died."""

Fold = Callable[[Sequence[Stamped], Result], None]


class NewerJournal(StoreError):
    """A newer templedb wrote the journal of a run."""


class RunJournal:
    """Writes one run's events, and folds them into the store now and then."""

    def __init__(self, folder: Path, run: RunId, fold: Fold) -> None:
        """Create the run's file, and lock it."""
        self._path = folder / f"{run}.jsonl"
        self._fold = fold
        self._unfolded: list[Stamped] = []
        self._progress = Progress()
        self._folded_ms = 0
        self._size = 0
        try:
            self._handle = _begun(folder, self._path)
        except OSError as error:
            message = f"cannot begin the run's journal {self._path}: {error.strerror}"
            raise StoreError(
                message, hint=f"{room(self._path, error)}; nothing was executed"
            ) from error

    @property
    def result(self) -> Result:
        """Return what the run has come to so far."""
        return self._progress.result

    def append(self, entry: Stamped, *, durable: bool) -> None:
        """Add *entry*; with *durable*, it is on the disk when this returns."""
        if isinstance(entry.event, StatementRan | OutputWritten):
            self._progress.add(entry)
            return
        line = _line(entry)
        try:
            _write(self._handle, line)
            self._size += len(line)
            if durable:
                os.fsync(self._handle)
        except OSError as error:
            # Half a line would take the next one along: both would be unreadable.
            with suppress(OSError):
                os.ftruncate(self._handle, self._size)
            message = f"cannot write the run's journal {self._path}: {error.strerror}"
            hint = (
                f"{room(self._path, error)}; no further step was started, and the next command"
                " tells what was done"
            )
            raise JournalFailed(message, hint=hint, problems=[SAFE]) from error
        self._progress.add(entry)
        self._unfolded.append(entry)
        if entry.elapsed_ms - self._folded_ms > FOLD_EVERY_MS:
            self._try_fold(entry.elapsed_ms)

    def lines(self) -> JournalLines:
        """Return what is written so far."""
        return lines(self._path)

    def alive(self, now: Callable[[], datetime]) -> None:
        """Leave beside the journal when the run last showed that it lives; best effort."""
        with suppress(OSError):
            _sign(self._path).write_text(now().isoformat(), encoding="ascii")

    def close(self, *, keep: bool = False) -> None:
        """Fold the rest and remove the file, unless it is to be kept.

        It stays for the next command if the store refuses, or if the run's end is not in it.
        """
        # Folded before the file goes: where the store refuses, the journal is all there is. Its
        # lock goes last of all, so that nobody else folds it meanwhile.
        try:
            self._fold(self._unfolded, self.result)
            if not self._size or (self.result.outcome is not None and not keep):
                self._path.unlink()
                _sign(self._path).unlink(missing_ok=True)
        except StoreError:
            with suppress(OSError):
                os.fsync(self._handle)
            raise
        finally:
            os.close(self._handle)

    def _try_fold(self, now_ms: int) -> None:
        self._folded_ms = now_ms
        try:
            self._fold(self._unfolded, self.result)
        except StoreError:
            return  # the journal has it all; the end of the run, or the next command, tries again
        self._unfolded = []


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalLines:
    """What can be read of a journal; `damaged` are the numbers of the lines that cannot."""

    entries: tuple[Stamped, ...] = ()
    damaged: tuple[int, ...] = ()

    @property
    def tells(self) -> bool:
        """Return whether it says which run it is of."""
        return bool(self.entries) and isinstance(self.entries[0].event, RunStarted)


class OrphanJournal:
    """The journal of a run whose process is gone; while it is held, nobody else mends it."""

    def __init__(self, path: Path, handle: int) -> None:
        """Take over *handle*, which is locked."""
        self._path = path
        self._handle = handle

    @property
    def run(self) -> RunId:
        """Return whose journal it is."""
        return RunId(self._path.stem)

    @property
    def empty(self) -> bool:
        """Return whether nothing was recorded but, perhaps, the torn beginning of a line."""
        text = self._path.read_bytes()
        return not text or (text.startswith(b'{"v":') and b"\n" not in text)

    def lines(self) -> JournalLines:
        """Return what was recorded, without a torn last line."""
        return lines(self._path)

    def entries(self) -> tuple[Stamped, ...]:
        """Return what was recorded, as far as it can be read."""
        return self.lines().entries

    def alive(self) -> datetime | None:
        """Return when the run last showed that it lives, if it said so beside its journal."""
        with suppress(OSError, ValueError):  # a crash may have torn it
            return datetime.fromisoformat(_sign(self._path).read_text(encoding="ascii"))
        return None

    def asked_lately(self, now: datetime) -> bool:
        """Return whether its target was asked a moment ago, and gave no answer."""
        with suppress(OSError):
            return now.timestamp() - self._asked.stat().st_mtime < ASK_AGAIN_S
        return False

    def unanswered(self) -> None:
        """Remember that its target was asked now, and gave no answer."""
        self._asked.touch(mode=0o600)

    @property
    def _asked(self) -> Path:
        return self._path.with_suffix(".asked")

    def close(self, *, remove: bool) -> None:
        """Let go of the file, and remove it once its end is in the store."""
        if remove:
            self._path.unlink()
            self._clear()
        os.close(self._handle)

    def set_aside(self) -> None:
        """Let go of the file, and keep it under a name that nobody folds again."""
        self._path.rename(self._path.with_name(f"{self._path.name}{ASIDE}"))
        self._clear()
        os.close(self._handle)

    def _clear(self) -> None:
        """Remove what stands beside the file."""
        for path in (self._path.with_suffix(".wish"), _sign(self._path), self._asked):
            path.unlink(missing_ok=True)


def lines(path: Path) -> JournalLines:
    """Return what can be read of the journal at *path*."""
    return _parsed(path.read_bytes())


def orphans(folder: Path) -> Iterator[OrphanJournal]:
    """Yield each journal that nobody holds, held by us, oldest run first; no other file."""
    for path in sorted(folder.glob("*.jsonl")):
        handle = _opened(path)
        if handle is None:
            continue
        if _locked(handle) and path.exists():
            yield OrphanJournal(path, handle)
        else:
            os.close(handle)


def live(folder: Path, run: str) -> bool:
    """Return whether the process that writes the run's journal is there."""
    handle = _opened(folder / f"{run}.jsonl")
    if handle is None:
        return False
    try:
        return not _locked(handle)
    finally:
        os.close(handle)


def _opened(path: Path) -> int | None:
    """Open a journal, or return None for what is none: a folder, a link, a pipe, another's file."""
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        handle = os.open(path, flags)
    except OSError:
        return None
    if stat.S_ISREG(os.fstat(handle).st_mode):
        return handle
    os.close(handle)
    return None


def _begun(folder: Path, path: Path) -> int:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    unlocked = folder / f".{path.stem}.new"  # under its own name it is locked from the beginning
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
    handle = os.open(unlocked, flags, 0o600)
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    unlocked.rename(path)
    _flush_folder(folder)
    return handle


def going_on(folder: Path) -> Iterator[Result]:
    """Yield what each live run has come to so far, as its journal says; a torn line is left out."""
    return (Result.of(entries) for entries in written(folder))


def written(folder: Path) -> Iterator[tuple[Stamped, ...]]:
    """Yield what each live run has written so far, oldest run first."""
    for path in sorted(folder.glob("*.jsonl")):
        if live(folder, path.stem):
            with suppress(FileNotFoundError):
                yield _read(path.read_bytes())


def all_written(folder: Path) -> Iterator[tuple[Stamped, ...]]:
    """Yield what the runs have written that the state does not have yet, live or not."""
    for path in sorted(folder.glob("*.jsonl")):
        with suppress(OSError):
            if entries := _read(path.read_bytes()):
                yield entries


def so_far(folder: Path, run: str) -> tuple[Stamped, ...] | None:
    """Return what a live run has written so far, or None if its process is gone."""
    if not live(folder, run):
        return None
    with suppress(FileNotFoundError):
        return _read((folder / f"{run}.jsonl").read_bytes())
    return None


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(text: bytes) -> tuple[Stamped, ...]:
    return _parsed(text).entries


def _parsed(text: bytes) -> JournalLines:
    entries, damaged = [], []
    for number, line in enumerate(text[: text.rfind(b"\n") + 1].splitlines(), start=1):
        try:
            entries.append(_entry(json.loads(line)))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            damaged.append(number)
    if not entries and not damaged and text.strip(b"\0") != text:
        damaged = [1]
    return JournalLines(entries=tuple(entries), damaged=tuple(damaged))


def _line(entry: Stamped) -> bytes:
    plain: dict[str, Any] = {
        "v": FORMAT,
        "run": entry.run,
        "seq": entry.seq,
        "at": entry.at.isoformat(),
        "elapsed_ms": entry.elapsed_ms,
        "event": to_plain(entry.event),
    }
    return json.dumps(plain, separators=(",", ":")).encode() + b"\n"


def _entry(plain: dict[str, Any]) -> Stamped:
    if plain["v"] > FORMAT:
        raise NewerJournal(f"a newer templedb wrote the journal of run {plain['run']}")
    return Stamped(
        run=plain["run"],
        seq=plain["seq"],
        at=datetime.fromisoformat(plain["at"]),
        elapsed_ms=plain["elapsed_ms"],
        event=from_plain(Event, plain["event"]),
    )


def _sign(path: Path) -> Path:
    return path.with_suffix(".alive")


def _write(handle: int, line: bytes) -> None:
    while line:
        line = line[os.write(handle, line) :]


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
