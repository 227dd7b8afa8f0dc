"""Files of targets: what they change, and every complaint with its line."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from templedb_nb.core.config.environ import is_reference
from templedb_nb.core.fleet.target_import import ImportDraft, KnownTargets, gone, import_draft
from templedb_nb.core.fleet.target_rows import read_rows
from templedb_nb.errors import InvalidConfig
from templedb_nb.model.target import Target, TargetName, TargetType
from templedb_nb.model.target_import import TargetChange


def a_target(name: str, **given: object) -> Target:
    return Target(name=TargetName(name), **given)  # type: ignore[arg-type]


def draft(text: str, *known: Target, name: str = "t.csv", **references: str) -> ImportDraft:
    kept = {("acme", key): value for key, value in references.items()}
    there = KnownTargets(
        targets={each.name: each for each in known}, references=kept, is_reference=is_reference
    )
    return import_draft(read_rows(text, name), there, name)


def refused(text: str, *known: Target, name: str = "t.csv") -> list[str]:
    with pytest.raises(InvalidConfig) as wrong:
        draft(text, *known, name=name)
    return list(wrong.value.problems)


def test_every_problem_is_told_with_its_line_when_a_file_has_many() -> None:
    text = (
        "name,region,type,protected,PGPASSWORD,tier\n"
        "acme,eu,database,,,gold\n"
        '"b b",eu,,,,\n'
        ",eu,,,,\n"
        'acme,"two\nlines",,,,\n'
        "beta,eu,lambda,maybe,hunter22,\n"
        "gamma,eu\n"
    )
    told = refused(text)
    assert [each.split(":")[1] for each in told] == ["3", "4", "5", "5", "7", "7", "7", "8"]
    assert told[2] == "t.csv:5: acme: is there twice, first in line 2"
    assert told[3] == "t.csv:5: acme: region contains a control character"
    assert "hunter22" not in "".join(told)


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("region\neu\n", 1, "there is no column `name`"),
        ("name,name\na,b\n", 1, "the column name is there 2 times"),
        ("name,Region\na,eu\n", 1, "the column 'Region' can be no label"),
        ("name,approvals\na,2\n", 1, "approvals is a setting of targets"),
        ("name,in\na,2\n", 1, "in is a word of selectors"),
        ("name,\na,2\n", 1, "a column has no name"),
        ('name\na\n"b"c\n', 3, "is not CSV"),
        ("name\n", 1, "no target is named"),
        (",,\n", 1, "there is no header"),
        (f"name,note\na,{'x' * 257}\n", 2, "note is longer than 256 characters"),
        ("name,url\na,https://u:hunter22@h/\n", 2, "url contains a password"),
    ],
)
def test_csv_is_refused_with_the_line_of_its_mistake(text: str, line: int, told: str) -> None:
    problems = refused(text)
    assert any(each.startswith(f"t.csv:{line}: ") and told in each for each in problems), problems


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ('[{"name": "a"},\n {"name": "b"}', 2, "] is missing"),
        ('[{"name": "a"},\n\n {"name": }]', 3, "is not JSON"),
        ('[{"name": "a"}]\nmore', 2, "more behind the list"),
        ('[{"name": "a"},\n {"name": "b", "name": "c"}]', 2, "name is there twice"),
        ('[{"name": "a"},\n "b"]', 2, "is not an object"),
        ('[{"name": "a", "x": [1]}]', 1, "x must be a text"),
        ('[{"name": "a", "labels": 3}]', 1, "labels must be an object"),
        ('[{"name": "a", "x": "1", "labels": {"x": "2"}}]', 1, "x is there twice"),
        ('{"name": "a"}\n{"name": "a"}', 2, "is there twice, first in line 1"),
        ("[]", 1, "no target is named"),
        ('[{"region": "eu"}]', 1, "it has no name"),
        ('[{"name": "a", "x": ' + "[" * 100_000 + "]}]", 1, "is nested too deeply"),
    ],
)
def test_json_is_refused_with_the_line_of_its_mistake(text: str, line: int, told: str) -> None:
    problems = refused(text, name="t.json")
    assert any(each.startswith(f"t.json:{line}: ") and told in each for each in problems), problems


def test_csv_and_json_say_the_same() -> None:
    rows = [{"name": "a", "region": "eu", "seats": "10"}, {"name": "b", "region": "", "seats": "2"}]
    text = "\ufeffname;region;seats\r\na;eu;10\r\n\r\nb;;2\r\n".replace("\r\n", "\n")
    listed = json.dumps([{**each, "seats": int(each["seats"])} for each in rows])
    lines = "\n".join(json.dumps({"name": r.pop("name"), "labels": r}) for r in map(dict, rows))
    made = draft(text).targets
    assert made == draft(listed, name="t.json").targets == draft(lines, name="t.jsonl").targets
    assert made == (
        a_target("a", region="eu", labels={"seats": "10"}, imported=True),
        a_target("b", labels={"seats": "2"}, imported=True),
    )


def test_numbers_stay_as_they_are_written() -> None:
    (made,) = draft(
        '[{"name": "a", "v": 1.10, "n": 9007199254740993, "on": true}]', name="t.json"
    ).targets
    assert made.labels == {"v": "1.10", "n": "9007199254740993", "on": "true"}


def test_what_a_file_has_no_column_for_stays() -> None:
    acme = a_target(
        "acme", region="eu", host="db1", labels={"tier": "free", "own": "x"}, approvals=2
    )
    made = draft("name,region,tier\nacme,us,\n", acme)
    assert made.targets == (
        a_target("acme", region="us", host="db1", labels={"own": "x"}, approvals=2),
    )
    (row,) = made.rows
    assert (row.change, row.line) == (TargetChange.CHANGED, 2)
    assert row.what == ("region: eu → us", "tier: free → -")


def test_type_and_protection_stay_when_their_cells_are_empty() -> None:
    acme = a_target("acme", type=TargetType.SERVICE, protected=True)
    made = draft("name,type,protected,tier\nacme,,,x\n", acme)
    assert made.targets == (
        a_target("acme", type=TargetType.SERVICE, protected=True, labels={"tier": "x"}),
    )


def test_protection_is_not_lowered_by_a_file() -> None:
    (told,) = refused("name,protected\nacme,false\n", a_target("acme", protected=True))
    assert "target update acme --no-protected --reason" in told


def test_target_of_the_checked_in_file_is_refused() -> None:
    (told,) = refused("name\nacme\n", a_target("acme", from_file=True))
    assert "is defined in templedb.yaml" in told


def test_reference_is_kept_and_its_change_is_told() -> None:
    text = "name,DATABASE_URL\nacme,env:NEW\n"
    made = draft(text, a_target("acme"), DATABASE_URL="env:OLD")
    assert made.references == {("acme", "DATABASE_URL"): "env:NEW"}
    assert made.rows[0].what == ("DATABASE_URL: env:OLD → env:NEW",)
    assert draft(text, a_target("acme"), DATABASE_URL="env:NEW").rows == ()


_NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True)
_CELLS = st.text(st.characters(categories=["L", "N", "P"]), max_size=8)


@given(st.dictionaries(_NAMES, st.tuples(_CELLS, _CELLS), min_size=1, max_size=8))
def test_file_changes_nothing_when_it_was_imported(rows: dict[str, tuple[str, str]]) -> None:
    listed = [{"name": name, "region": one, "tier": other} for name, (one, other) in rows.items()]
    text = json.dumps(listed)
    first = draft(text, name="t.json")
    again = draft(text, *first.targets, name="t.json")
    assert (again.rows, again.targets, again.same) == ((), (), len(rows))


def test_only_targets_of_an_earlier_file_are_gone() -> None:
    there = {
        "a": a_target("a", imported=True),
        "b": a_target("b"),
        "c": a_target("c", imported=True),
    }
    (row,) = gone(frozenset({"c"}), there, removed=False)
    assert (row.target, row.change) == ("a", TargetChange.GONE)


@given(st.text(alphabet='[]{}",:\n ab;\t0', max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    for name in ("t.csv", "t.json", "t"):
        try:
            draft(text, name=name)
        except InvalidConfig:
            continue
