"""What the patterns of file_patterns choose."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from templedb_nb.core.config.globs import complaints, match

PATHS = (
    "a.sql",
    "migrations/001_a.sql",
    "migrations/sub/002_b.sql",
    "migrations/.hidden.sql",
    "src/a.ts",
    "src/x/y/a.ts",
    "src/x/y/a.tsx",
    "Migrations/001_a.sql",
)


def test_star_matches_within_one_folder_only():
    assert match("migrations/*.sql", PATHS) == ("migrations/001_a.sql", "migrations/.hidden.sql")


def test_question_mark_matches_one_character_except_a_slash():
    assert match("migrations?001_?.sql", PATHS) == ()
    assert match("migrations/00?_a.sql", PATHS) == ("migrations/001_a.sql",)


def test_two_stars_match_any_number_of_folders_when_they_are_a_segment():
    assert match("src/**/*.ts", PATHS) == ("src/a.ts", "src/x/y/a.ts")
    assert match("**/*.tsx", PATHS) == ("src/x/y/a.tsx",)
    assert match("**", PATHS) == PATHS


def test_two_stars_match_all_that_lies_below_when_they_end_the_pattern():
    assert match("src/**", ("src", "src/a", "src/b/c", "srcs/a")) == ("src/a", "src/b/c")


def test_pattern_does_not_match_when_the_case_differs():
    assert match("Migrations/*", PATHS) == ("Migrations/001_a.sql",)


def test_match_keeps_the_given_order_when_paths_are_unsorted():
    assert match("*", ("b", "a", "c")) == ("b", "a", "c")


def test_class_matches_one_character_when_it_has_members_ranges_or_a_negation():
    assert match("[ab]x", ("ax", "bx", "cx")) == ("ax", "bx")
    assert match("[a-c]", ("b", "d", "-")) == ("b",)
    assert match("[!a-c]", ("b", "d", "-")) == ("d", "-")
    assert match("[]]", ("]", "[")) == ("]",)
    assert match("[!]]", ("]", "[")) == ("[",)
    assert match("[*]", ("*", "a")) == ("*",)
    assert match("[a-]", ("a", "-", "b")) == ("a", "-")


def test_negated_class_does_not_match_when_the_character_is_a_slash():
    assert match("a[!x]b", ("a/b", "a.b")) == ("a.b",)


def test_braces_dots_and_regular_expressions_are_literal_when_in_a_pattern():
    assert match("{a,b}", ("a", "b", "{a,b}")) == ("{a,b}",)
    assert match("a.b", ("a.b", "axb")) == ("a.b",)
    assert match("(a|b)+$", ("a", "(a|b)+$")) == ("(a|b)+$",)


def test_pattern_matches_the_whole_name_when_the_name_has_newlines():
    assert match("a", ("a\n", "a")) == ("a",)
    assert match("*", ("a\nb\n",)) == ("a\nb\n",)


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("", "empty"),
        ("/a", "absolute"),
        ("a\\b", "backslash"),
        ("../a", "'..'"),
        ("a/../b", "'..'"),
        ("./a", "'.'"),
        ("a//b", "empty segment"),
        ("a/", "empty segment"),
        ("/", "absolute"),
        ("**a/b", "glued"),
        ("a/***", "glued"),
        ("a\0", "NUL"),
        ("a[bc", "unclosed"),
        ("[]", "unclosed"),
        ("[!]", "unclosed"),
        ("a[b/c]", "unclosed"),
        ("[^a]", "[!"),
        ("[z-a]", "the reversed range"),
    ],
)
def test_pattern_is_explained_and_matches_nothing_when_it_is_invalid(pattern, words):
    assert any(words in complaint for complaint in complaints(pattern))
    assert match(pattern, [*PATHS, pattern]) == ()


def test_pattern_complaints_are_all_told_at_once_when_there_are_several():
    assert len(complaints("/a\\b//../**c/[")) == 6


def test_pattern_has_no_complaints_when_it_is_valid():
    for pattern in ("a", "**/a", "a/**/b", "[!a]*?", "[[]x]", "{a}", "a b", "-e.sql", "$(x).sql"):
        assert complaints(pattern) == ()


def test_match_answers_at_once_when_the_pattern_has_many_stars():
    name = "a" * 250
    assert match("*a" * 40 + "b", (name,)) == ()
    assert match("**/a/" * 12 + "b", ("a/" * 60 + "c",)) == ()


TEXT = st.text(alphabet="ab/.-\n", min_size=1, max_size=9)
PATTERN = st.lists(
    st.sampled_from(["a", "b", "*", "**", "?", "/", "/**/", "[ab]", "[!a]", ".", "-", "\n"]),
    min_size=1,
    max_size=8,
).map("".join)


@given(pattern=PATTERN, path=TEXT)
@example(pattern="**/a/**/b", path="a/a/b/a/b")
@example(pattern="*ab*b", path="abab")
def test_match_agrees_with_a_simple_matcher_when_the_pattern_is_valid(pattern, path):
    segments = path.split("/")
    if "" in segments or complaints(pattern):
        return
    assert bool(match(pattern, [path])) == fits(pattern.split("/"), segments)


def fits(pattern, path):
    if not pattern:
        return not path
    if pattern == ["**"]:
        return bool(path)
    if pattern[0] == "**":
        return fits(pattern[1:], path) or (bool(path) and fits(pattern, path[1:]))
    return bool(path) and fits_name(pattern[0], path[0]) and fits(pattern[1:], path[1:])


def fits_name(pattern, name):
    if not pattern:
        return not name
    if pattern[0] == "*":
        return fits_name(pattern[1:], name) or (bool(name) and fits_name(pattern, name[1:]))
    if not name:
        return False
    if pattern[0] == "[":
        members, _, rest = pattern[1:].partition("]")
        inside = name[0] in members.removeprefix("!")
        return inside != members.startswith("!") and fits_name(rest, name[1:])
    return pattern[0] in ("?", name[0]) and fits_name(pattern[1:], name[1:])
