"""Deployment configs: read whole, complained of whole, kept in versions."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from templedb_nb.core.config.document import document, parse, schema
from templedb_nb.core.config.groups import check, cycle, migrating, ordered
from templedb_nb.model.config import Executor, GroupKind
from tests.conftest import MIGRATIONS, Shop, Terminal


def complaints(*groups: dict[str, Any], paths: list[str] | None = None) -> list[str]:
    config, found = parse({"groups": list(groups)})
    return [str(each) for each in (*found, *check(config, paths)) if each.severity == "error"]


COMMAND = {"name": "build", "build_command": "make"}
NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
WORDS = st.text(
    st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20
).filter(str.strip)
HOOKS = st.lists(
    WORDS
    | st.fixed_dictionaries(
        {"command": WORDS}, optional={"critical": st.booleans(), "timeout": st.integers(1, 99)}
    ),
    max_size=2,
)
GROUPS = st.fixed_dictionaries(
    {"name": NAMES},
    optional={
        "order": st.integers(0, 99),
        "kind": st.sampled_from(["migrations", "commands"]),
        "file_patterns": st.lists(WORDS, max_size=3),
        "depends_on": st.lists(NAMES, max_size=2),
        "pre_deploy": HOOKS,
        "post_deploy": HOOKS,
        "build_command": WORDS,
        "deploy_command": WORDS,
        "required_env_vars": st.lists(st.sampled_from(["A", "B_2"]), max_size=2),
        "env": st.dictionaries(st.sampled_from(["A", "B"]), WORDS, max_size=2),
        "continue_on_failure": st.booleans(),
        "retry_attempts": st.integers(0, 9),
        "retry_delay": st.integers(0, 9) | st.just("1m"),
        "timeout": st.integers(1, 900) | st.sampled_from(["90s", "1h30m"]),
        "order_policy": st.sampled_from(["linear", "non-linear", "linear-skip"]),
        "executor": st.sampled_from(["native", "psql", "auto"]),
        "database": st.sampled_from(["DATABASE_URL", "OTHER_URL"]),
        "workdir": st.sampled_from(["release", "project"]),
        "mutates": st.booleans(),
        "health_check": st.fixed_dictionaries(
            {"type": st.just("http"), "url": st.just("https://example.com/")},
            optional={
                "expect_status": st.lists(st.integers(100, 599), min_size=1, max_size=2),
                "headers": st.dictionaries(NAMES, WORDS, max_size=2),
            },
        ),
    },
)


@given(st.lists(GROUPS, max_size=4))
@settings(max_examples=300)
def test_config_stays_equal_when_written_and_read_again(groups: list[dict[str, Any]]) -> None:
    config, _ = parse({"groups": groups})
    again, found = parse(json.loads(json.dumps(document(config))))
    assert again == config
    assert [each for each in found if "more than once" not in each.message] == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["groups", "name", "order", "x"]), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(JSON)
@settings(max_examples=300)
def test_reader_raises_nothing_when_given_any_document(given_document: Any) -> None:
    config, _ = parse(given_document)
    check(config, ["a.sql"])


def test_every_problem_is_told_with_its_key_when_a_config_has_several() -> None:
    said = complaints(
        {"name": "a", "order": 1, "tst_command": "x"},
        {"name": "a", "order": 1, "build_command": "make", "timeout": "soon"},
        {"name": "c", "file_patterns": ["/etc/*.sql", "../x.sql"], "depends_on": ["nobody"]},
        {
            "name": "d",
            "deploy_command": 'psql $DATABASE_URL -f "{file}"',
            "file_patterns": ["nothing/*.sql"],
        },
        {"name": "e", "build_command": "make", "health_check": {"type": "tcp"}},
        paths=["a.sql"],
    )
    for part in (
        "groups[0].tst_command: is not a known key; did you mean test_command?",
        "groups[0]: group 'a' has nothing to do",
        "groups[1].timeout: must be seconds",
        "groups[1].name: 'a' appears more than once",
        "groups[1].order: 1 appears more than once",
        "groups[2].file_patterns[0]",
        "groups[2].file_patterns[1]",
        "groups[2].depends_on[0]: there is no group 'nobody'",
        "groups[3].deploy_command: {file} is inside quotes",
        "groups[3].file_patterns[0]: 'nothing/*.sql' matches no file",
        "groups[4].health_check.host: is missing",
        "groups[4].health_check.port: is missing",
    ):
        assert any(line.startswith(part) for line in said), (part, said)


def test_circle_is_printed_when_dependencies_of_groups_form_a_circle() -> None:
    groups = [
        COMMAND | {"name": "a", "depends_on": ["b"]},
        COMMAND | {"name": "b", "depends_on": ["c"]},
        COMMAND | {"name": "c", "depends_on": ["a"]},
    ]
    assert any("a -> b -> c -> a" in line for line in complaints(*groups))


def test_groups_run_by_order_and_after_their_dependencies_when_a_dependency_has_a_later_order() -> (
    None
):
    config, _ = parse(
        {
            "groups": [
                COMMAND | {"name": "late", "order": 3},
                COMMAND | {"name": "first", "order": 1, "depends_on": ["late"]},
                COMMAND | {"name": "middle", "order": 2},
            ]
        }
    )
    assert [group.name for group in ordered(config.groups)] == ["middle", "late", "first"]


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.sets(st.integers(0, 5), max_size=2)), min_size=1, max_size=6
    )
)
@settings(max_examples=300)
def test_every_group_comes_after_its_dependencies_when_they_form_no_circle(
    shape: list[tuple[int, set[int]]],
) -> None:
    groups = [
        COMMAND
        | {
            "name": f"g{n}",
            "order": n,
            "depends_on": [f"g{d}" for d in sorted(deps) if d < len(shape)],
        }
        for n, (_, deps) in enumerate(shape)
    ]
    config, _ = parse({"groups": groups})
    names = [group.name for group in ordered(config.groups)]
    assert sorted(names) == sorted(group["name"] for group in groups)
    if not cycle(config.groups):
        for group in config.groups:
            assert all(names.index(each) < names.index(group.name) for each in group.depends_on)


@pytest.mark.parametrize(
    ("group", "kind"),
    [
        ({"name": "migrations", "file_patterns": ["x/*"]}, GroupKind.MIGRATIONS),
        ({"name": "schema", "file_patterns": ["x/*.sql"]}, GroupKind.MIGRATIONS),
        ({"name": "schema", "file_patterns": ["x/*.sql", "y/*.txt"]}, GroupKind.COMMANDS),
        ({"name": "x", "kind": "migrations", "file_patterns": ["x/*"]}, GroupKind.MIGRATIONS),
    ],
)
def test_group_is_read_as_migrations_when_its_kind_name_or_patterns_say_so(
    group: dict[str, Any], kind: GroupKind
) -> None:
    config, _ = parse({"groups": [group]})
    assert config.groups[0].kind is kind


@pytest.mark.parametrize(
    "text",
    [
        "psql $DATABASE_URL -f {file}",
        'psql "$DATABASE_URL" -f {file}',
        "psql -X ${DATABASE_URL} -v ON_ERROR_STOP=1 --file={file}",
    ],
)
def test_psql_template_runs_natively_when_it_has_the_usual_form(text: str) -> None:
    config, _ = parse({"groups": [MIGRATIONS | {"deploy_command": text}]})
    own = migrating(config.groups[0])
    assert own is not None
    assert (own.recognised, own.executor) == (True, Executor.NATIVE)


@pytest.mark.parametrize(
    "text",
    [
        "psql $DATABASE_URL -c 'SET x' -f {file}",
        "psql $DATABASE_URL -1 -f {file} | tee log",
        "psql $DATABASE_URL < dump.sql",
    ],
)
def test_psql_command_is_refused_when_it_lacks_on_error_stop(text: str) -> None:
    assert any(
        "ON_ERROR_STOP" in line for line in complaints(MIGRATIONS | {"deploy_command": text})
    )
    safe = text.replace("psql", "psql -v ON_ERROR_STOP=1")
    assert not any(
        "ON_ERROR_STOP" in line for line in complaints(MIGRATIONS | {"deploy_command": safe})
    )


def test_secret_is_refused_when_the_config_holds_it_in_plain_text() -> None:
    assert any(
        "looks like a secret" in line
        for line in complaints(COMMAND | {"env": {"API_TOKEN": "abc"}})
    )
    assert not complaints(
        COMMAND | {"env": {"API_TOKEN": "env:API_TOKEN", "NODE_ENV": "production"}}
    )


def test_schema_is_json_schema_made_from_the_model() -> None:
    made = schema()
    assert made["$schema"].startswith("https://json-schema.org/")
    group = made["properties"]["groups"]["items"]
    assert group["required"] == ["name"]
    assert group["additionalProperties"] is False
    assert group["properties"]["executor"]["enum"] == ["native", "psql", "auto"]


def test_config_is_read_when_json_or_yaml_comes_from_a_file_or_standard_input(shop: Shop) -> None:
    yaml = (
        "groups:\n  - name: migrations\n    file_patterns: ['migrations/*.sql']\n    timeout: 5m\n"
    )
    shop.terminal("deploy", "config", "app", "--set", "-", "--note", "slower", stdin=yaml)
    shown = json.loads(shop.terminal("deploy", "config", "app", "--show").out)
    assert shown["groups"][0]["timeout"] == 300
    assert "slower" in shop.terminal("deploy", "config", "--history").out
    as_yaml = shop.terminal("deploy", "config", "--format", "yaml").out
    assert "timeout: 300" in as_yaml
    shop.terminal("deploy", "config", "--set", "-", stdin=as_yaml)


def test_config_is_not_kept_and_the_reason_is_told_when_it_is_invalid(shop: Shop) -> None:
    before = shop.terminal("deploy", "config", "--show").out
    said = shop.terminal(
        "deploy", "config", "--set", "-", code=78, stdin='{"groups": [{"name": "x"}]}'
    )
    assert "nothing to do" in said.err
    assert shop.terminal("deploy", "config", "--show").out == before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"groups": [', "1:13"),
        ('{"groups": [], "groups": []}', "appears twice"),
        ("groups: []\ngroups: []\n", "appears twice"),
        ("groups: [\n", "not YAML"),
    ],
)
def test_text_is_refused_with_the_place_when_it_is_not_a_document(
    shop: Shop, text: str, said: str
) -> None:
    assert said in shop.terminal("deploy", "config", "--set", "-", code=78, stdin=text).err


def test_validate_checks_the_file_when_it_is_not_set_yet(shop: Shop) -> None:
    path = shop.terminal.file("new.json", '{"groups": [{"name": "x", "build_command": "make"}]}')
    assert (
        "valid" in shop.terminal("deploy", "config", "app", "--validate", "--file", str(path)).out
    )
    path.write_text('{"groups": [{"name": "x"}]}')
    shop.terminal("deploy", "config", "app", "--validate", "--file", str(path), code=78)


def test_unset_variable_is_a_note_and_becomes_an_error_when_a_target_is_given(shop: Shop) -> None:
    shop.config(MIGRATIONS | {"required_env_vars": ["API_URL"]})
    noted = shop.terminal("deploy", "config", "--validate").out
    assert "note" in noted
    assert "API_URL" in noted
    assert "DATABASE_URL" not in noted
    refused = shop.terminal("deploy", "config", "--validate", "--target", "staging", code=78).out
    assert "error" in refused
    assert "API_URL" in refused


def test_variable_is_noted_with_its_name_when_a_target_lacks_its_value(shop: Shop) -> None:
    shop.terminal("target", "add", "app", "production")
    noted = shop.terminal("deploy", "config", "--validate").out
    assert "DATABASE_URL: has no value, which migrations needs (target production)" in noted
    assert "templedb env set DATABASE_URL --target production" in noted
    shop.terminal("env", "set", "app", "DATABASE_URL", shop.pg.dsn)
    assert "has no value" not in shop.terminal("deploy", "config", "--validate").out


def test_checked_in_file_gives_config_targets_and_references_when_a_project_has_one(
    shop: Shop, terminal: Terminal
) -> None:
    terminal.file(
        "app/templedb.yaml",
        "groups:\n- name: migrations\n  file_patterns: ['migrations/*.sql']\n"
        "targets:\n  live:\n    protected: true\n    variables: {DATABASE_URL: 'env:LIVE_URL'}\n",
    )
    terminal.set(LIVE_URL=shop.pg.dsn)
    terminal("project", "sync", "app")
    assert "templedb.yaml" in terminal("target", "list", "app").out
    said = terminal("deploy", "run", "app", "--target", "live", code=20)
    assert "has no approval" in said.err
    assert "edit templedb.yaml" in terminal("deploy", "init", "app", code=78).err
    assert (
        "edit templedb.yaml"
        in terminal(
            "target", "update", "app", "live", "--no-protected", "--reason", "x", code=78
        ).err
    )


def test_checked_in_file_is_refused_when_it_holds_the_value_of_a_variable(
    shop: Shop, terminal: Terminal
) -> None:
    terminal.file("app/templedb.yaml", "groups: []\nvariables: {TOKEN: abcdef}\n")
    terminal("project", "sync", "app")
    said = terminal("deploy", "config", "app", "--validate", code=78).out
    assert "is a value, but this file is checked in" in said
    del shop


def test_init_proposes_groups_and_says_why_when_it_finds_files_of_several_tools(
    terminal: Terminal,
) -> None:
    terminal.file("site/db/migrate/001.sql", "SELECT 1;")
    terminal.file("site/db/migrate/001.down.sql", "SELECT 2;")
    terminal.file("site/flyway/migrations/V1__a.sql", "SELECT 1;")
    terminal.file("site/mate/migrations/1_a.sql", "-- migrate:up\nSELECT 1;\n-- migrate:down\n")
    terminal.file("site/prisma/migrations/2024_a/migration.sql", "SELECT 1;")
    terminal.file("site/package.json", '{"scripts": {"build": "tsc"}}')
    terminal.file("site/Makefile", "all:\n")
    terminal("project", "import", "site")
    said = terminal("deploy", "init").out
    assert "db/migrate/*.sql" in said
    for tool in ("flyway", "dbmate", "prisma"):
        assert f"in the style of {tool}" in said
    assert "not added\n  node_build: package.json has a build script" in said
    assert "add them: templedb deploy init site --force --build" in said
    assert "Makefile" in said
    shown = json.loads(terminal("deploy", "config", "--show").out)
    assert [group["file_patterns"] for group in shown["groups"][:3]] == [
        ["db/migrate/*.sql", "prisma/migrations/**/*.sql"], ["flyway/migrations/*.sql"],
        ["mate/migrations/*.sql"],
    ]  # fmt: skip
    assert "init --force" in terminal("deploy", "init", code=78).err
    terminal("deploy", "init", "--force")
