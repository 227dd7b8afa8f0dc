"""No form of a secret comes through, however the text arrives."""

from __future__ import annotations

import base64
import json
import shlex
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from templedb_nb.core.masking import Masker, patterns, too_short

SMALL = st.text("ab", min_size=4, max_size=8)


def masker(**secrets: str) -> Masker:
    made = Masker()
    for name, value in secrets.items():
        made.add(name, value)
    return made


def streamed(mask: Masker, pieces: list[str]) -> str:
    stream = mask.stream()
    return "".join([*(stream.feed(piece) for piece in pieces), stream.close()])


@given(st.lists(SMALL, min_size=1, max_size=5), st.lists(st.text("abc", max_size=7), max_size=12))
@settings(max_examples=500)
def test_pieces_are_masked_like_the_whole(secrets: list[str], pieces: list[str]) -> None:
    mask = masker(**{f"S{n}": secret for n, secret in enumerate(secrets)})
    assert streamed(mask, pieces) == mask.mask("".join(pieces))


@given(st.lists(SMALL, min_size=1, max_size=5), st.lists(st.text("abc", max_size=7), max_size=12))
@settings(max_examples=500)
def test_no_secret_is_left(secrets: list[str], pieces: list[str]) -> None:
    shown = streamed(masker(**{f"S{n}": s for n, s in enumerate(secrets)}), pieces)
    assert not any(secret in shown for secret in secrets)


@pytest.mark.parametrize(
    "form",
    [
        lambda s: s,
        lambda s: json.dumps(s),
        lambda s: json.dumps({"k": s}, ensure_ascii=False),
        lambda s: quote(s, safe=""),
        quote,
        quote_plus,
        shlex.quote,
        repr,
        lambda s: base64.b64encode(s.encode()).decode(),
        lambda s: base64.b64encode(b"x" + s.encode()).decode(),
        lambda s: base64.b64encode(b"xy" + s.encode() + b"z").decode(),
        lambda s: base64.urlsafe_b64encode(b"??" + s.encode()).decode(),
    ],
)
def test_every_usual_form_is_masked(form: object) -> None:
    secret = "p@ss/w:rd%\"' ünï \\ end"
    shown = masker(PW=secret).mask(f"before {form(secret)} after")  # type: ignore[operator]
    assert "***[PW]" in shown
    assert secret[:8] not in shown


def test_the_password_of_an_address_is_masked_alone() -> None:
    mask = masker(DATABASE_URL="postgresql://rosa:p%40ss%2Fw%3Ard%25@db.example.com:5432/shop")
    assert mask.mask("p@ss/w:rd%") == "***[DATABASE_URL]"
    assert mask.mask("p%40ss%2Fw%3Ard%25") == "***[DATABASE_URL]"
    assert mask.mask("db.example.com") == "db.example.com"


def test_the_password_of_a_libpq_string_is_masked_alone() -> None:
    mask = masker(
        DSN="host=db user=rosa password='top secret' dbname=shop",
        OTHER="host=a password=hunter22 port=1",
    )
    assert mask.mask("top secret, hunter22") == "***[DSN], ***[OTHER]"


def test_long_lines_of_a_secret_are_masked_alone() -> None:
    key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nshort\n-----END KEY-----"
    shown = masker(KEY=key).mask("a MIIEvQIBADANBgkq b short c")
    assert shown == "a ***[KEY] b short c"


def test_the_longest_form_wins() -> None:
    mask = masker(SHORT="abcd", LONG="abcdefgh")
    assert mask.mask("abcdefgh abcde") == "***[LONG] ***[SHORT]e"


def test_a_secret_that_is_learnt_later_is_masked_from_then_on() -> None:
    mask = masker(A="first-secret")
    stream = mask.stream()
    out = stream.feed("first-secret second-secret ")
    mask.add("B", "second-secret")
    assert out + stream.feed("second-secret") + stream.close() == "***[A] second-secret ***[B]"


def test_too_short_a_secret_is_told() -> None:
    assert too_short("abc")
    assert too_short(" abc \n")
    assert not too_short("abcd")
    assert all(len(form) >= 4 for form in patterns("abcd"))
