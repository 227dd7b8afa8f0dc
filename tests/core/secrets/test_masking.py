"""No form of a secret comes through, however the text arrives."""

from __future__ import annotations

import base64
import json
import re
import shlex
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from templedb_nb.core.secrets.masking import Masker, patterns, too_short
from templedb_nb.core.secrets.url_passwords import UrlStream, without_url_passwords

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
@settings(max_examples=500, deadline=None)
def test_masker_masks_pieces_like_the_whole_when_a_text_is_streamed(
    secrets: list[str], pieces: list[str]
) -> None:
    mask = masker(**{f"S{n}": secret for n, secret in enumerate(secrets)})
    assert streamed(mask, pieces) == mask.mask("".join(pieces))


@given(st.lists(SMALL, min_size=1, max_size=5), st.lists(st.text("abc", max_size=7), max_size=12))
@settings(max_examples=500, deadline=None)
def test_masker_leaves_no_secret_when_a_text_is_streamed(
    secrets: list[str], pieces: list[str]
) -> None:
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
def test_secret_is_masked_when_written_in_any_usual_form(form: object) -> None:
    secret = "p@ss/w:rd%\"' ünï \\ end"
    shown = masker(PW=secret).mask(f"before {form(secret)} after")  # type: ignore[operator]
    assert "***[PW]" in shown
    assert secret[:8] not in shown


def test_password_alone_is_masked_when_the_secret_is_a_database_address() -> None:
    mask = masker(DATABASE_URL="postgresql://rosa:p%40ss%2Fw%3Ard%25@db.example.com:5432/shop")
    assert mask.mask("p@ss/w:rd%") == "***[DATABASE_URL]"
    assert mask.mask("p%40ss%2Fw%3Ard%25") == "***[DATABASE_URL]"
    assert mask.mask("db.example.com") == "db.example.com"


def test_password_alone_is_masked_when_the_secret_is_a_libpq_string() -> None:
    mask = masker(
        DSN="host=db user=rosa password='top secret' dbname=shop",
        OTHER="host=a password=hunter22 port=1",
    )
    assert mask.mask("top secret, hunter22") == "***[DSN], ***[OTHER]"


def test_long_lines_alone_are_masked_when_the_secret_has_several_lines() -> None:
    key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nshort\n-----END KEY-----"
    shown = masker(KEY=key).mask("a MIIEvQIBADANBgkq b short c")
    assert shown == "a ***[KEY] b short c"


def test_longest_secret_wins_when_several_match_at_the_same_place() -> None:
    mask = masker(SHORT="abcd", LONG="abcdefgh")
    assert mask.mask("abcdefgh abcde") == "***[LONG] ***[SHORT]e"


def test_secret_is_masked_from_then_on_when_learnt_later() -> None:
    mask = masker(A="first-secret")
    stream = mask.stream()
    out = stream.feed("first-secret second-secret ")
    mask.add("B", "second-secret")
    assert out + stream.feed("second-secret") + stream.close() == "***[A] second-secret ***[B]"


def test_secret_counts_as_too_short_when_it_has_fewer_than_four_characters() -> None:
    assert too_short("abc")
    assert too_short(" abc \n")
    assert not too_short("abcd")
    assert all(len(form) >= 4 for form in patterns("abcd"))


def test_secret_is_masked_and_the_rest_stays_when_line_ends_and_colours_cut_the_secret() -> None:
    mask = masker(PW="p4ssw0rd-of-rosa")
    text = "\x1b[1mone\x1b[0m\r\np4ss\x1b[31mw0rd\n-of\r-ro\x1b[0msa\x1b[32m two\n"
    assert mask.mask(text) == "\x1b[1mone\x1b[0m\r\n***[PW]\x1b[32m two\n"
    assert streamed(mask, list(text)) == mask.mask(text)


def test_secret_is_masked_when_it_stands_in_a_title_or_a_link() -> None:
    mask = masker(PW="p4ssw0rd-of-rosa")
    assert mask.mask("\x1b]8;;https://u:p4ssw0rd-of-rosa@h\x07x\x1b]8;;\x07") == (
        "\x1b]8;;https://u:***[PW]@h\x07x\x1b]8;;\x07"
    )


ENDS = st.lists(
    st.sampled_from(
        [
            "a",
            "b",
            "\n",
            "\r",
            "\x1b",
            "[",
            "3",
            "m",
            "\x1b[31m",
            "\\",
            "'",
            "%",
            "=",
            " ",
            '"',
            "+",
            "0",
            ":",
        ]
    )
)


@given(st.lists(SMALL, min_size=1, max_size=3), ENDS, st.lists(st.integers(1, 5), max_size=30))
@settings(max_examples=500, deadline=None)
def test_masker_masks_pieces_like_the_whole_when_the_text_has_colours(
    secrets: list[str], parts: list[str], cuts: list[int]
) -> None:
    mask = masker(**{f"S{n}": secret for n, secret in enumerate(secrets)})
    text, pieces, at = "".join(parts), [], 0
    for cut in cuts:
        pieces.append(text[at : at + cut])
        at += cut
    shown = streamed(mask, [*pieces, text[at:]])
    assert EARLY.sub("***[", shown) == EARLY.sub("***[", mask.mask(text))


EARLY = re.compile("[^\\x00-\\x1f]\r?\n(?=\\*\\*\\*\\[)|\\*\\*\\*\\[")
"""A line may have been shown whose last character begins the secret that follows."""


PARTED = [
    "'p4ss of'\n   ' rosa-1'", 'b"p4ss of "\r\n b"rosa-1"', "'p4ss ' +\n    'of rosa-1'", '"p4ss of \\\n  rosa-1"',
    "p4ss\n      of\n      rosa-1", "p4ss=20of=20ro=\nsa-1", "p4ss of ros\n0040: a-1", '"p4ss of ro"\n"sa-1"',
]  # fmt: skip


@pytest.mark.parametrize("written", PARTED)
def test_secret_is_masked_when_it_goes_on_in_the_next_line(written: str) -> None:
    mask = masker(PW="p4ss of rosa-1")
    for text in (f"begin\n  {written}\n  'end'\n", f"  x={written}"):
        out = mask.mask(text)
        assert out.count("***[PW]") == 1
        assert not re.search("p4ss|of|ro|sa-1", out)
        head, tail = out.split("***[PW]")
        assert text.startswith(head)
        assert text.endswith(tail)
        for size in (1, 2, 3, 7):
            pieces = [text[at : at + size] for at in range(0, len(text), size)]
            assert streamed(mask, pieces) == out


@pytest.mark.parametrize("secret", ["========ab", "a b c d e f g", "'a'='b'", '\\"\\"\\"\\"ab'])
def test_marks_of_a_secret_are_not_left_out_when_the_secret_is_short(secret: str) -> None:
    mask = masker(PW=secret)
    assert mask.mask("ab abcdefg a\n  b c d e f g ab") == "ab abcdefg a\n  b c d e f g ab"
    assert mask.mask(f"<{secret}>") == "<***[PW]>"


@given(st.lists(st.sampled_from(["a", "rosa", "\n", "\n  ", "'", '"', " +", "\\", "=", "\r\n\t", "b'", "0040: ", " "])))  # fmt: skip
def test_text_comes_out_unchanged_when_it_holds_no_secret(parts: list[str]) -> None:
    text = "".join(parts)
    mask = masker(PW="p4ss of rosa-1", OTHER="k='quoted' = ")
    assert mask.mask(text) == text
    assert streamed(mask, parts) == text


def test_line_is_shown_when_its_last_character_may_begin_a_secret() -> None:
    stream = masker(WORD="nine-lives").stream()
    assert stream.feed("stubborn\n") == "stubborn\n"
    assert stream.feed("next\n") == "next\n"
    assert stream.feed("stubborn\r\n") == "stubborn\r\n"
    assert stream.feed("ine-li") == ""
    assert stream.feed("ves\n") == "***[WORD]\n"
    assert stream.feed("in\n") == "in\n"
    assert stream.close() == ""
    assert stream.feed("ni\n") == ""
    assert stream.close() == "ni\n"


@pytest.mark.parametrize(
    ("url", "hidden", "shown"),
    [
        ("postgresql://rosa:p@ss/word@db.example.com:5432/shop", ["word", "p@ss/word"], ["rosa", "db.example.com", "5432", "shop"]),
        ("postgresql://rosa:one:two#three?four@db:5432/shop", ["three", "four"], ["rosa", "shop", "5432"]),
        ("postgresql://rosa:p%40ssword@db/shop?application_name=a@b.example", ["p@ssword"], ["application_name", "b.example", "shop"]),
        ("postgresql://rosa:secret1@a:1,b:2/shop?target_session_attrs=any", ["secret1"], ["target_session_attrs", "shop"]),
        ("postgresql://db/shop?user=rosa&password=hunter22", ["hunter22"], ["rosa", "shop"]),
        ("mysql://rosa:has?mark@db/shop", ["mark", "has?mark"], ["rosa", "shop"]),
        ("host=db password='it''s' user=rosa dbname=shop", [], ["rosa", "shop"]),
    ],
)  # fmt: skip
def test_password_pieces_are_masked_and_the_rest_is_readable_when_the_secret_is_an_address(
    url: str, hidden: list[str], shown: list[str]
) -> None:
    mask = masker(DATABASE_URL=url)
    assert [mask.mask(f"<{each}>") for each in hidden] == ["<***[DATABASE_URL]>"] * len(hidden)
    assert [mask.mask(f"<{each}>") for each in shown] == [f"<{each}>" for each in shown]


def test_key_is_masked_whole_when_it_is_long_and_written_in_lines_or_base64() -> None:
    body = base64.encodebytes(bytes(range(256)) * 5).decode()
    key = f"-----BEGIN PRIVATE KEY-----\n{body}-----END PRIVATE KEY-----\n"
    mask = masker(KEY=key)
    for text in (key, json.dumps(key), base64.encodebytes(key.encode()).decode(), repr(key)):
        out = mask.mask(f"begin {text} end")
        assert out.startswith("begin ")
        assert out.endswith(" end")
        assert not any(line in out for line in body.splitlines())
        assert len(out) < 60


def test_neighbouring_characters_are_masked_when_base64_mixes_them_with_the_secret() -> None:
    secret = "x7Kp2mQ9vL4s"
    for head in ("", "u:", "us:", "use:"):
        for tail in ("", "z", "zz", "\n"):
            encoded = base64.b64encode(f"{head}{secret}{tail}".encode()).decode()
            out = masker(PW=secret).mask(f"<{encoded}>")
            kept = out.replace("***[PW]", "")
            assert len(kept) - 2 <= (len(head) * 8 // 6) + (len(tail) * 8 // 6) + 3, out


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("to postgresql://u:pw@h:5/d?x=a@b ok", "to postgresql://u:***@h:5/d?x=a@b ok"),
        ("'https://me:p@ss/w@host/x'", "'https://me:***@host/x'"),
        ("redis://:pw@h", "redis://:***@h"),
        ("git@github.com:a/b https://h/a@b", "git@github.com:a/b https://h/a@b"),
        ("https://u:$TOKEN@h https://u:{}@h http://u:***[X]@h", "https://u:$TOKEN@h https://u:{}@h http://u:***[X]@h"),
        ("http://h:8080/a http://h:80/b@c", "http://h:8080/a http://h:80/b@c"),
        ("\x1b[1mhttps://u:pw@h\x1b[0m", "\x1b[1mhttps://u:***@h\x1b[0m"),
        ("\x1b[38;5;6mpostgresql\x1b[0m://u:pw@h", "\x1b[38;5;6mpostgresql\x1b[0m://u:***@h"),
        ("took 2https://u:pw@h", "took 2https://u:***@h"),
    ],
)  # fmt: skip
def test_url_shows_no_password_when_the_masker_knows_no_secret(text: str, shown: str) -> None:
    assert masker().mask(text) == shown


@given(st.lists(st.sampled_from(["a://", "1", "\x1b[1m", "u:p", "@h", "://", " ", "x", "\n", "/", "?", "https://u:secret@h/d"])), st.lists(st.integers(1, 6)))  # fmt: skip
def test_url_passwords_are_masked_like_the_whole_when_a_text_is_streamed(
    parts: list[str], cuts: list[int]
) -> None:
    text, stream, out, at = "".join(parts), UrlStream(), "", 0
    for cut in cuts:
        out += stream.feed(text[at : at + cut])
        at += cut
    assert out + stream.feed(text[at:]) + stream.close() == without_url_passwords(text)


def test_word_is_not_held_back_when_it_does_not_begin_an_address() -> None:
    stream = UrlStream()
    assert stream.feed("not done again") == "not done again"
    assert stream.feed("\nto https") == "\nto https"
    assert stream.feed("://u:hidden") == "://"
    assert stream.feed("@h ok") == "u:***@h ok"
    assert stream.close() == ""


@pytest.mark.parametrize("form", [r"\text{}{{}}", r"\text{} ", r"{{\text{}}}"])
def test_secret_is_masked_when_latex_words_stand_for_its_characters(form: str) -> None:
    words = {"\\": "backslash", "~": "asciitilde", "^": "asciicircum", "<": "less", ">": "greater"}
    secret = "q7$K\\y&Z<t>9~Lm^4_#{%}"
    written = "".join(
        form.format(words[char]) if char in words else char if char.isalnum() else f"\\{char}"
        for char in secret
    )
    mask = masker(S=secret)
    assert mask.mask(f"a {written} b") == "a ***[S] b"
    assert streamed(mask, list(f"a {written} b")) == "a ***[S] b"
