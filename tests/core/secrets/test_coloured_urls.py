"""A URL loses its password wherever a program puts its colours into it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from templedb_nb.core.secrets.url_passwords import UrlStream, without_url_passwords

CODES = ["\x1b[01;31m\x1b[K", "\x1b[m\x1b[K", "\x1b[0m", "\x9b31m", "\x1b(B", "\x00"]
URL = "postgres://user:s3cr#t@host:5432/db?password=zzzz9&x=a"
CODE = re.compile("(?:\x1b\\[[0-9;]*[mK]|\x9b31m|\x1b\\(B|\x00)")


@pytest.mark.parametrize("at", range(len(URL)))
@pytest.mark.parametrize("code", CODES)
def test_password_is_removed_when_a_code_stands_anywhere_in_its_url(at: int, code: str) -> None:
    shown = without_url_passwords(f"see {URL[:at]}{code}{URL[at:]} end")
    assert CODE.sub("", shown) == "see postgres://user:***@host:5432/db?password=***&x=a end"
    assert shown.count(code) == 1


def test_colours_of_grep_do_not_show_a_password() -> None:
    red, end = CODES[:2]
    text = f"postgres{red}:{end}//user{red}:{end}hidden@host/db"
    assert without_url_passwords(text) == f"postgres{red}:{end}//user{red}:{end}***@host/db"


@pytest.mark.parametrize(
    "text", ["\x1b[1mgit@github.com:a/b\x1b[0m", "http:\x1b[36m//h:8080/a\x1b[0m b@c", "\x1b[1ma:b@c\n//x"]
)  # fmt: skip
def test_text_without_a_password_stays_when_it_has_codes(text: str) -> None:
    assert without_url_passwords(text) == text


PARTS = st.sampled_from([*CODES, "\x1b", "[", "3", "1m", "a:", "/", "//", "u:p", "@h", " ", "\n", "x"])  # fmt: skip


@given(st.lists(PARTS), st.lists(st.integers(1, 6)))
def test_coloured_url_in_pieces_loses_its_password_as_a_whole_one_does(
    parts: list[str], cuts: list[int]
) -> None:
    text, stream, out, at = "".join(parts), UrlStream(), "", 0
    for cut in cuts:
        out += stream.feed(text[at : at + cut])
        at += cut
    assert out + stream.feed(text[at:]) + stream.close() == without_url_passwords(text)
