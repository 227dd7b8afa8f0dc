"""What makes a text worth reading for secrets is found as quickly as it is missed."""

from __future__ import annotations

import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from templedb_nb.core.secrets.sql_names import HINTS, hinted

WORDS = [
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "secret",
    "token",
    "pwd",
    "pw",
    "pass",
    "api_key",
    "accesskey",
    "account_key",
    "secret_key",
    "private_key",
    "encryptionkey",
    "shared_access_key",
    "authorization",
    "://",
]
LETTERS = sorted({each for word in WORDS for each in word})
EQUAL = {
    letter: [
        chr(code)
        for code in range(sys.maxunicode + 1)
        if re.match(re.escape(letter), chr(code), re.IGNORECASE)
    ]
    for letter in "skiapw"
}
"""Every character that a pattern takes for a letter, whatever its case."""


@pytest.mark.parametrize("word", WORDS)
def test_hint_is_found_when_letters_are_written_otherwise(word: str) -> None:
    assert len(EQUAL["s"]) > 2
    for place, letter in enumerate(word):
        for other in (letter.upper(), *EQUAL.get(letter, ())):
            text = f"-- {word[:place]}{other}{word[place + 1 :]} ="
            assert HINTS.search(text)
            assert hinted(text), text


@given(st.lists(st.sampled_from([*WORDS, *LETTERS, "_", " ", "ſ", "\u212a", "İ", "ß", "x"])))
def test_hints_are_those_of_the_pattern(parts: list[str]) -> None:
    text = "".join(parts)
    assert hinted(text) == bool(HINTS.search(text))
