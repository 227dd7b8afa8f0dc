"""What the terminal screen shows can be read: in its dark theme and in its light one."""

from __future__ import annotations

import asyncio

import pytest
from rich.color import Color
from rich.style import Style

from tests.conftest import Terminal
from tests.tui.screen import Person, sitting

AA = 4.5
"""What WCAG 2.2 asks of small text."""
DRAWN = frozenset("━─│┃╭╮╰╯╸╺╴╶▔▁▎▊▐▌█▏▍▋▉▕▂▃▄▅▆▇▀▪")
"""Lines, frames and bars say nothing that words beside them do not."""


def luminance(colour: Color) -> float:
    parts = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in (part / 255 for part in colour.get_truecolor())
    ]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def ratio(style: Style) -> float:
    assert style.color is not None
    assert style.bgcolor is not None
    dark, light = sorted((luminance(style.color), luminance(style.bgcolor)))
    return (light + 0.05) / (dark + 0.05)


def pale(person: Person) -> dict[str, float]:
    """Return what has less contrast than small text needs."""
    return {
        segment.text.strip(): round(ratio(segment.style), 2)
        for strip in person.app.screen._compositor.render_strips()
        for segment in strip
        if segment.style is not None and set(segment.text.strip()) - DRAWN
        if ratio(segment.style) < AA
    }


@pytest.mark.parametrize("theme", ["textual-dark", "textual-light"])
def test_every_word_can_be_read_when_the_theme_is_dark_or_light(duck: Terminal, theme: str) -> None:
    duck("deploy", "run", "app", "--target", "staging")
    duck("deploy", "run", "app", "--target", "production", code=20)
    duck.file("app/migrations/003_bad.sql", "-- never\nSELECT 1 / 0, 'a text' FROM nobody;\n")
    duck("deploy", "run", "app", "--target", "staging", code=10)

    async def look() -> None:
        found: list[str] = []
        async with sitting((110, 30)) as person:
            person.app.theme = theme
            await person.answered()
            for keys in (
                ("1",), ("down",), ("2",), ("enter",), ("down",), ("a",), ("escape", "escape"),
                ("3",), ("4",), ("enter",), ("down",), ("s",), ("tab",), ("escape",), ("slash",),
                ("escape",), ("question_mark",),
            ):  # fmt: skip
                await person.press(*keys)
                await person.pilot.pause(0.3)
                found += [f"{of} {'+'.join(keys)}: {text}" for text, of in pale(person).items()]
        assert not found, "\n".join(found)

    asyncio.run(look())
