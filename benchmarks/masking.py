"""What masking costs: a log of 8 MB through the mask, beside a search for one word in it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.measure import Row
from templedb_nb.core.secrets.masking import Masker
from tests.masking_cases import LETTERS, value
from tests.postgres import Server

_SIZE = 8_000_000
_ROUNDS = 5


def bench(server: Server, root: Path) -> list[Row]:
    """Return what 8 MB of a build's output cost, for few and for many secrets."""
    del server, root
    text = _log(random.Random(1))
    plain = [_took(lambda: text.translate({0: None})) for _ in range(_ROUNDS)]
    rows = [Row("8 MB through str.translate", plain)]
    for count in (1, 5, 20):
        masker = _masker(count)
        took = [_took(lambda masker=masker: _stream(masker, text, 65_536)) for _ in range(_ROUNDS)]
        rows.append(Row(f"8 MB, {count} secrets, pieces of 64 KiB", took, rows[0].what))
    few = _masker(5)
    took = [_took(lambda: _stream(few, text[: _SIZE // 8], 100)) for _ in range(_ROUNDS)]
    return [*rows, Row("1 MB, 5 secrets, pieces of 100 characters", took, rows[0].what)]


def _log(chance: random.Random) -> str:
    lines = []
    for number in range(_SIZE // 80):
        words = " ".join("".join(chance.choices(LETTERS[:26], k=6)) for _ in range(8))
        lines.append(f"12:00:{number % 60:02d} INFO  \x1b[32mok\x1b[0m {words}\n")
    return "".join(lines)


def _masker(count: int) -> Masker:
    chance, masker = random.Random(2), Masker()
    for number in range(count):
        masker.add(f"S{number}", value(chance))
    masker.mask("the forms are made at the first need")
    return masker


def _stream(masker: Masker, text: str, size: int) -> None:
    stream = masker.stream()
    for at in range(0, len(text), size):
        stream.feed(text[at : at + size])
    stream.close()


def _took(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
