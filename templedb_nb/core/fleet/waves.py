"""Waves: in which order the targets of a fleet begin."""

from __future__ import annotations

import re
from collections.abc import Sequence

from templedb_nb.core.fleet.selector import selected, selector
from templedb_nb.errors import TempleError, UsageProblem
from templedb_nb.model.fleet import RolloutRules, Wave
from templedb_nb.model.target import Target

LAST_WAVE = "the rest"
MOST_PARALLEL = 256
_NUMBER = re.compile(r"([0-9]{1,9})(%?)")
_WHOLE = 100


def checked(rules: RolloutRules) -> RolloutRules:
    """Return *rules*, or raise with everything that is wrong with them."""
    wrong = [problem for each in rules.waves if (problem := _fault(each))]
    if not 1 <= rules.parallel <= MOST_PARALLEL:
        wrong.append(f"--parallel is from 1 to {MOST_PARALLEL}")
    if not 0 <= rules.parallel_per_server <= MOST_PARALLEL:
        wrong.append(f"--parallel-per-server is from 1 to {MOST_PARALLEL}, or 0 for no limit")
    if rules.max_failures < 0:
        wrong.append("--max-failures is 0 or more")
    if len(set(rules.waves)) < len(rules.waves):
        wrong.append("a wave stands there twice")
    if wrong:
        hint = "for example: --wave 1 --wave 5% --wave tier=free --parallel 8 --max-failures 2"
        raise UsageProblem(wrong[0], problems=wrong[1:], hint=hint)
    return rules


def _fault(wave: str) -> str:
    if found := _NUMBER.fullmatch(wave.strip()):
        number, percent = int(found[1]), bool(found[2])
        if number == 0 or (percent and number > _WHOLE):
            return f"wave {wave}: a wave is 1 or more targets, or 1% to 100%"
        return ""
    try:
        selector(wave)
    except TempleError as error:
        return f"wave {wave}: {error.message}"
    return ""


def split(rules: RolloutRules, targets: Sequence[Target]) -> tuple[Wave, ...]:
    """Return the waves of *targets*, which begin in the order of their names.

    A share is one of all targets. A wave that nothing is left for is left out.
    """
    left = sorted(targets, key=lambda each: str(each.name))
    total, waves = len(left), []
    for rule in rules.waves:
        if found := _NUMBER.fullmatch(rule.strip()):
            share = int(found[1])
            taken = left[: -(-total * share // _WHOLE) if found[2] else share]
        else:
            # Asked of all targets: a label that only earlier waves have is not a mistake.
            names = {each.name for each in selected(selector(rule), targets)}
            taken = [each for each in left if each.name in names]
        gone = {each.name for each in taken}
        left = [each for each in left if each.name not in gone]
        if taken:
            waves.append(Wave(name=rule.strip(), targets=tuple(each.name for each in taken)))
    if left:
        name = LAST_WAVE if waves else "all"
        waves.append(Wave(name=name, targets=tuple(each.name for each in left)))
    return tuple(waves)
