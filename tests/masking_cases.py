"""Values of odd characters, printed by real programs, masked in pieces: no leak, and nothing else lost.

``python -m tests.masking_cases --cases 100000`` counts; the suite runs some of them.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from templedb_nb.core.secrets.masking import Masker
from tests.encoders import ENCODERS, Encoder

ODD = "'\"\\$`!&<>#%+/:@?=;,.-_~^*()[]{}| \t"
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
OTHERS = "äöüßéłñ中文€😀"
SHOWN_AS_NOTHING = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|[\x00-\x08\x0a-\x1f\x7f]")
NAME = "***[S]"
BEFORE, AFTER = "begin 17 of 20\n", "end 18 of 20\n"


@dataclass(frozen=True)
class Case:
    encoder: Encoder
    value: str
    printed: str
    masked: str


def value(chance: random.Random) -> str:
    """Return a secret of 8 characters or more; some have several lines."""
    kind = chance.random()
    odd, length = chance.choice([0.2, 0.5, 0.9]), chance.choice([8, 9, 10, 12, 16, 24, 40, 60, 90])
    made = "".join(
        chance.choice(ODD if chance.random() < odd else LETTERS + (OTHERS if kind < 0.2 else ""))
        for _ in range(length)
    ).strip()
    if kind > 0.9 and len(made) > 20:
        made = f"{made[:10]}\n{made[10:]}"
    return made if len(made) >= 8 and not made.startswith("-") else value(chance)


def pieces(chance: random.Random, text: str) -> Iterator[str]:
    while text:
        size = chance.choice([1, 2, 3, 7, 20, 100])
        yield text[:size]
        text = text[size:]


def masked(chance: random.Random, secret: str, text: str) -> str:
    masker = Masker()
    masker.add("S", secret)
    stream = masker.stream()
    return "".join([*(stream.feed(piece) for piece in pieces(chance, text)), stream.close()])


def cases(encoders: Sequence[Encoder], count: int, seed: int, place: Path) -> Iterator[Case]:
    """Yield *count* cases, the same number for each encoder."""
    chance = random.Random(seed)
    each = -(-count // len(encoders))
    for encoder in encoders:
        for start in range(0, each, 200):
            values = [value(chance) for _ in range(min(200, each - start))]
            for secret, printed in zip(values, encoder.run(values, place), strict=True):
                text = f"{BEFORE}{printed}{AFTER}"
                yield Case(encoder, secret, text, masked(chance, secret, text))


def trouble(case: Case) -> str:
    """Return what is wrong with a case, if anything is."""
    bare = SHOWN_AS_NOTHING.sub("", case.masked)
    secret = SHOWN_AS_NOTHING.sub("", case.value)
    for way, text in (("as printed", bare), ("decoded", case.encoder.decode(bare))):
        if secret in text:
            return f"leaks {way}"
    if not (case.masked.startswith(BEFORE[:-1]) and case.masked.endswith(AFTER)):
        return "lost what stood around it"
    if NAME not in case.masked:
        return "was not masked"
    return _lost(case)


def _lost(case: Case) -> str:
    """Return whether anything went that is not a form of the secret: the rest must stand in order."""
    at = 0
    for part in case.masked.split(NAME):
        found = case.printed.find(part, at)
        if found < 0:
            return f"changed {part!r}"
        at = found + len(part)
    taken = len(case.printed) - sum(map(len, case.masked.split(NAME)))
    if taken > 12 * len(case.value.encode()) + 8:
        return f"took {taken} characters for {len(case.value)}"
    return ""


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    here = [each for each in ENCODERS if each.here]
    bad: dict[str, list[str]] = {}
    count = 0
    with tempfile.TemporaryDirectory() as place:
        for case in cases(here, given.cases, given.seed, Path(place)):
            count += 1
            if why := trouble(case):
                bad.setdefault(f"{case.encoder.name}: {why.split()[0]}", []).append(
                    f"{why}: {case.value!r}\n      {case.printed!r}\n      {case.masked!r}"
                )
    for name, found in bad.items():
        print(f"{name}: {len(found)}")
        print("  " + "\n  ".join(found[:3]))
    print(f"{count} cases of {len(here)} programs, {sum(map(len, bad.values()))} wrong")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
