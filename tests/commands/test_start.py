"""`templedb start`: from a folder to its first plan, at a terminal and without one."""

from __future__ import annotations

import json

import pytest

from tests.conftest import Terminal
from tests.pseudo_terminal import PseudoTerminal

SECRET = "correct-horse-battery"
AWAY = f"postgresql://app:{SECRET}@127.0.0.1:1/shop"


@pytest.fixture
def person(terminal: Terminal) -> Terminal:
    terminal.file("shop/migrations/001_a.sql", "CREATE TABLE a (id int);\n")
    return terminal


def at_terminal(person: Terminal, *words: str) -> PseudoTerminal:
    return PseudoTerminal.start(words, person.home, person.environ)


def url(person: Terminal, name: str = "shop") -> str:
    return f"duckdb://{person.home}/{name}.duckdb"


def test_start_asks_for_name_and_address_and_shows_the_plan_when_a_terminal_is_there(
    person: Terminal,
) -> None:
    screen = at_terminal(person, "start", "shop")
    screen.answers("the target's name [local]:", "")
    screen.answers("DATABASE_URL (hidden):", url(person))
    screen.sees("migrations: 0 applied, 1 to apply")
    screen.sees("the same, by single commands")
    for each in (
        "templedb project import shop",
        "templedb deploy init shop",
        "templedb target add shop local",
        "templedb env set shop DATABASE_URL --target local < FILE",
        "templedb deploy run shop --target local --dry-run",
        "next: templedb deploy run shop --target local",
    ):
        screen.sees(each)
    assert screen.ends() == 0
    assert url(person) not in screen.shown
    assert "1 migration applied" in person("deploy", "run", "shop", "--target", "local").out


def test_address_is_asked_for_again_and_never_shown_when_it_is_wrong(person: Terminal) -> None:
    screen = at_terminal(person, "start", "shop", "--target", "staging")
    screen.answers("DATABASE_URL (hidden):", f"postgres//app:{SECRET}@h/shop")
    screen.sees("is not a database address")
    screen.answers("DATABASE_URL (hidden):", "")
    screen.sees("is empty")
    screen.answers("DATABASE_URL (hidden):", AWAY)
    screen.answers("DATABASE_URL (hidden):", url(person))
    screen.sees("next: templedb deploy run shop --target staging")
    assert screen.ends() == 0
    assert SECRET not in screen.shown
    assert screen.shown.count("templedb env set") == 2  # as it was done, and at the end


def test_start_goes_on_where_it_was_when_it_was_cancelled(person: Terminal) -> None:
    screen = at_terminal(person, "start", "shop")
    screen.presses("the target's name [local]:", b"\x03")
    screen.sees("cancelled")
    assert screen.ends() == 130
    screen = at_terminal(person, "start", "shop")
    screen.sees("shop has a config")
    screen.presses("the target's name [local]:", b"\x04")
    assert screen.ends() == 130
    assert "no target" in person("target", "list", "shop").out


def test_each_database_is_asked_for_when_a_project_has_several(person: Terminal) -> None:
    for name in ("a", "b"):
        person.file(f"two/{name}/migrations/001.sql", f"CREATE TABLE {name} (id int);\n")
        person.file(f"two/{name}/package.json", "{}")
    screen = at_terminal(person, "start", "two", "--target", "local")
    screen.answers("A_DATABASE_URL (hidden):", url(person, "a"))
    screen.answers("B_DATABASE_URL (hidden):", url(person, "b"))
    screen.sees("next: templedb deploy run two --target local")
    assert screen.ends() == 0
    said = person("start", "two", "--yes", "--target", "other", code=64).err
    assert "target add" not in said


def test_end_of_input_at_the_address_is_a_cancellation(person: Terminal) -> None:
    screen = at_terminal(person, "start", "shop", "--target", "local")
    screen.presses("DATABASE_URL (hidden):", b"\x04")
    assert screen.ends() == 130
    assert "defect" not in screen.shown


def test_doubt_about_order_is_asked_when_a_terminal_is_there(person: Terminal) -> None:
    person.file("shop/migrations/001_b.sql", "CREATE TABLE b (id int);\n")
    said = person("start", "shop", "--target", "local", code=78).err
    if "templedb start shop --write-order" not in said:
        pytest.skip("the proposal has no doubt about these names")
    screen = at_terminal(person, "start", "shop", "--target", "local")
    screen.answers("which one, 1 to", "nonsense")
    screen.answers("which one, 1 to", "1")
    screen.answers("DATABASE_URL (hidden):", url(person))
    screen.sees("templedb deploy init shop --write-order")
    assert screen.ends() == 0
    assert (person.home / "shop/migrations/order.txt").exists()


@pytest.mark.parametrize(("typed", "made"), [("y", True), ("", False)])
def test_build_is_offered_and_added_only_if_the_person_says_so(
    person: Terminal, typed: str, *, made: bool
) -> None:
    person.file("shop/package.json", json.dumps({"scripts": {"build": "true", "test": "true"}}))
    screen = at_terminal(person, "start", "shop", "--target", "local")
    screen.answers("run the build and the tests", typed)
    screen.answers("DATABASE_URL (hidden):", url(person))
    assert screen.ends() == 0
    config = person("deploy", "config", "shop").out
    assert ("npm run build" in config) is made


def test_each_doubt_is_an_error_with_the_option_that_answers_it_when_nobody_can_be_asked(
    person: Terminal,
) -> None:
    said = person("start", "shop", "--yes", code=78)
    assert "hint: templedb start shop --target NAME" in said.err
    said = person("start", "shop", "--yes", "--target", "local", code=78)
    assert "templedb start shop --target local --database-url - < FILE" in said.err
    said = person("start", "shop", "--database-url", "-", stdin="\n", code=78)
    assert "the value of DATABASE_URL is empty" in said.err
    said = person("start", "shop", "--database-url", "-", stdin=f"{url(person)}\n")
    assert "next: templedb deploy run shop --target local" in said.out
    again = person("start", "shop", "-q")
    assert "next:" not in again.out
    assert again.err == ""
    other = person("start", "shop", "--target", "locla", code=64).err
    assert "target add" not in other
    assert "local" in other


def test_password_of_an_address_is_nowhere_when_start_is_given_one(person: Terminal) -> None:
    for words, code in (
        (("--database-url", AWAY), 64),
        (("--database-url", f"host=h password={SECRET}"), 64),
        (("--target", "local", "--database-url", "-"), 69),
    ):
        said = person("start", "shop", *words, stdin=AWAY, code=code)
        assert SECRET not in said.out + said.err
    said = person("start", AWAY, code=64)
    assert SECRET not in said.out + said.err
    kept = [path for path in (person.home / "state").rglob("*") if path.is_file()]
    assert kept
    assert not any(SECRET.encode() in path.read_bytes() for path in kept)


def test_start_says_what_it_is_as_json_when_json_is_wanted(person: Terminal) -> None:
    words = ("--target", "local", "--database-url", "-", "--json")
    said = person("start", "shop", *words, stdin=url(person))
    *_, value = map(json.loads, said.out.splitlines())
    assert value["next"] == "templedb deploy run shop --target local"
    assert value["commands"][0] == "templedb project import shop"
    assert "preview" in value


def test_next_command_follows_the_state_after_each_command(person: Terminal) -> None:
    told = [
        person("project", "import", "shop").out,
        person("deploy", "init", "shop").out,
        person("target", "add", "shop", "local").out,
        person("env", "set", "shop", "DATABASE_URL", url(person), "--target", "local").out,
        person("deploy", "init", "shop", "--force").out,
        person("project", "import", "shop", "-q").out,
    ]
    following = [each.partition("next: ")[2].strip() for each in told]
    assert following == [
        "templedb deploy init shop",
        "templedb target add shop NAME",
        "templedb env set shop DATABASE_URL --target local",
        "templedb deploy run shop --dry-run",
        "templedb deploy run shop --dry-run",
        "",
    ]
