"""Asking a run of this machine to end: a file beside its journal, which the run looks for.

It reaches a run whatever its target is, and whichever of its threads works.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from templedb_nb.model.cancel_request import CancelRequest
from templedb_nb.store.journal import live

EVERY_S = 0.25
"""How often a run looks."""
BEAT_TURNS = 4
"""After so many looks it shows that it lives."""


def ask(folder: Path, run: str, wanted: CancelRequest) -> bool:
    """Leave word for *run*, whose journal is in *folder*; say whether it still goes on."""
    path = _path(folder, run)
    fresh = path.with_suffix(".wished")
    fresh.touch(mode=0o600)
    fresh.write_text(str(wanted), encoding="utf-8")
    fresh.rename(path)
    if live(folder, run):
        return True
    path.unlink(missing_ok=True)
    return False


@contextmanager
def heard(
    folder: Path, run: str, tell: Callable[[CancelRequest], None], beat: Callable[[], None]
) -> Iterator[None]:
    """Call *tell*, from a thread of its own, with each word for *run* while the block goes on.

    The same thread calls *beat* now and then, to show that the run lives.
    """
    path, over = _path(folder, run), threading.Event()
    thread = threading.Thread(target=_listen, args=(path, over, tell, beat), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        path.unlink(missing_ok=True)


def _listen(
    path: Path,
    over: threading.Event,
    tell: Callable[[CancelRequest], None],
    beat: Callable[[], None],
) -> None:
    for turn in itertools.count(1):
        if over.wait(EVERY_S):
            return
        if turn % BEAT_TURNS == 0:
            beat()
        if path.exists():
            text = path.read_text(encoding="utf-8")
            path.unlink()
            tell(CancelRequest.of(text))


def _path(folder: Path, run: str) -> Path:
    return folder / f"{run}.wish"
