"""What a terminal would have shown of what a command wrote, and nothing that controls one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from templedb_nb.views.ansi import TextStyle, pieces, plain


def test_colours_become_styled_pieces_when_a_line_has_escape_codes() -> None:
    assert list(pieces("\x1b[1;31mFAIL\x1b[0m 3 \x1b[92mok\x1b[39m.")) == [
        (TextStyle(colour="red", bold=True), "FAIL"),
        (TextStyle(), " 3 "),
        (TextStyle(colour="green"), "ok"),
        (TextStyle(), "."),
    ]


@pytest.mark.parametrize(
    ("line", "colour"),
    [
        ("\x1b[38;5;9mx", "red"),
        ("\x1b[38;5;200mx", ""),
        ("\x1b[38;2;10;20;30mx", ""),
        ("\x1b[48;5;1mx", ""),
        ("\x1b[48;5;1;34mx", "blue"),
        ("\x1b[38:5:4mx", "blue"),
        ("\x1b[38;5mx", ""),
        ("\x1b[31;mx", ""),
    ],
)
def test_colour_is_read_when_the_code_is_outside_the_basic_eight(line: str, colour: str) -> None:
    assert list(pieces(line)) == [(TextStyle(colour=colour), "x")]


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        ("10%\r50%\r100%", "100%"),
        ("100%\r", "100%"),
        ("\x1b]0;a title\x07text", "text"),
        ("\x1b]8;;http://example.com\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("up\x1b[2K\x1b[1A there", "up there"),
        ("\x1b(Btext\x1b", "text"),
        ("", ""),
    ],
)
def test_control_sequences_are_left_out_when_text_is_made_plain(line: str, seen: str) -> None:
    assert plain(line) == seen


@given(st.text(alphabet=st.sampled_from("\x1b[]0123456789;:mKJ\r\x07\\ab ")))
def test_plain_text_has_no_escape_and_keeps_its_letters_when_the_line_is_arbitrary(
    line: str,
) -> None:
    assert "".join(text for _, text in pieces(line)) == plain(line)
    assert "\x1b" not in plain(line)
