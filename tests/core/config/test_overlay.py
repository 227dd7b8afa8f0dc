"""A config overlay: part of one plan, shown, approved with it, and kept nowhere else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from templedb_nb import Temple
from templedb_nb.core.config import document as configs
from templedb_nb.core.config.overlay import overlaid
from templedb_nb.errors import InvalidConfig, UsageProblem
from templedb_nb.files.document import parse_document
from tests.conftest import MIGRATIONS, Said, Shop

WEB = {"name": "web", "deploy_command": "echo config >> ran", "timeout": 60, "workdir": "project"}
HELLO = {"groups": {"web": {"deploy_command": "echo overlay >> ran"}}}


def merged(document: object, *groups: dict[str, Any]) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the groups under an overlay, and what is wrong with that."""
    config, findings = configs.parse({"groups": list(groups)})
    assert findings == ()
    under, laid = overlaid(config, document)
    return configs.document(under)["groups"], [str(each) for each in laid.findings]


def test_overlay_merges_objects_and_replaces_lists_when_it_fits_the_config() -> None:
    group = WEB | {
        "env": {"A": "1", "B": "2"},
        "file_patterns": ["a/*", "b/*"],
        "health_check": {"type": "http", "url": "https://shop.example.com", "interval": 7},
    }
    over = {
        "env": {"B": "3", "C": "4"},
        "file_patterns": ["c/*"],
        "timeout": None,
        "health_check": {"interval": "1m"},
    }
    (found,), problems = merged({"groups": {"web": over}}, group)
    assert problems == []
    assert found["env"] == {"A": "1", "B": "3", "C": "4"}
    assert found["file_patterns"] == ["c/*"]
    assert "timeout" not in found
    assert found["health_check"] == {
        "type": "http",
        "url": "https://shop.example.com",
        "interval": 60,
    }


def test_groups_are_read_when_listed_or_keyed_by_name() -> None:
    listed = {"groups": [{"name": "web", "timeout": "5m"}]}
    named = {"groups": {"web": {"timeout": 300}}}
    config, _ = configs.parse({"groups": [WEB]})
    (_, one), (_, other) = overlaid(config, listed), overlaid(config, named)
    assert one.changes == other.changes
    assert [(e.at, e.before, e.after) for e in one.changes] == [("web.timeout", "60", "300")]


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ([], "must be an object with the key groups"),
        ({}, "must be a list of groups"),
        ({"groups": {"wbe": {}}}, "groups.wbe: is not a group of the config; did you mean web?"),
        ({"groups": {"web": {"timeuot": 1}}}, "groups.web.timeuot: is not a known key"),
        ({"groups": {"web": {"timeout": "soon"}}}, "groups.web.timeout: must be seconds"),
        ({"groups": {"web": {"timeout": 1.5}}}, "groups.web.timeout: must be seconds"),
        ({"groups": {"web": {"database": "OTHER_URL"}}}, "can only be set in the config"),
        ({"groups": {"web": {"kind": "migrations"}}}, "can only be set in the config"),
        ({"groups": {"web": {"env": {"API_TOKEN": "x"}}}}, "looks like a secret"),
        ({"groups": {"web": []}}, "groups.web: must be an object of keys"),
        ({"groups": [{"timeout": 1}]}, "the name of a group"),
        ({"groups": [{"name": "web"}, {"name": "web"}]}, "appears more than once"),
        ({"targets": {}, "groups": {}}, "is not part of an overlay"),
        ({"groups": {"web": {"deploy_command": "psql -f x.sql"}}}, "ON_ERROR_STOP"),
    ],
)
def test_overlay_problem_is_told_and_the_value_stays_when_the_overlay_does_not_fit(
    document: object, told: str
) -> None:
    (found,), problems = merged(document, WEB)
    assert any(told in each for each in problems), problems
    assert found["timeout"] == 60


def test_overlay_problems_are_all_told_at_once_when_there_are_several() -> None:
    over = {"groups": {"web": {"timeout": "soon", "oder": 1, "retry_attempts": -1}}}
    _, problems = merged(over, WEB)
    assert len(problems) == 3


# --- the formats --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        '{"groups": {"web": {"timeout": "5m"}}}',
        "groups:\n  web:\n    timeout: 5m\n",
        '[groups.web]\ntimeout = "5m"\n',
        'groups.web.timeout = "5m"\n',
    ],
)
def test_overlay_format_is_recognised_when_the_text_is_json_yaml_or_toml(text: str) -> None:
    assert parse_document(text, "the cell") == {"groups": {"web": {"timeout": "5m"}}}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"groups": [}', "not JSON"),
        ("groups:\n  web: [1\n", "not YAML"),
        ("[groups.web]\ntimeout = 5m\n", "not TOML"),
        ("some words", "not an object in JSON, YAML or TOML"),
        ('groups.web.build_command = "a: b"', "as YAML and as TOML"),
        ("a: 1\na: 2\n", "appears twice"),
    ],
)
def test_overlay_text_is_refused_when_it_cannot_be_read(text: str, told: str) -> None:
    with pytest.raises(InvalidConfig) as raised:
        parse_document(text, "the cell")
    assert told in raised.value.message


# --- plans and runs -----------------------------------------------------------------------------


@pytest.fixture
def web(shop: Shop) -> Shop:
    shop.config(MIGRATIONS, WEB)
    return shop


def plan(shop: Shop, *words: str, over: object = None, code: int = 0) -> Said:
    extra = []
    if over is not None:
        extra = ["--overlay", str(shop.terminal.file("overlay.json", json.dumps(over)))]
    return shop.terminal("deploy", "plan", "app", *extra, *words, code=code)


def ran(shop: Shop) -> str:
    path = shop.terminal.home / "app" / "ran"
    return path.read_text() if path.exists() else ""


def test_plan_shows_the_differences_and_has_another_id_when_made_with_an_overlay(web: Shop) -> None:
    bare, over = plan(web), plan(web, over=HELLO)
    assert "overlay" not in bare.out
    assert "overlay, for this plan only" in over.out
    assert 'web.deploy_command: "echo config >> ran" → "echo overlay >> ran"' in over.out
    assert "with an overlay" in over.out
    assert bare.out.split()[1] != over.out.split()[1]
    assert plan(web).out.split()[1] == bare.out.split()[1]


def test_plan_content_hash_differs_when_an_overlay_leaves_the_steps_the_same(web: Shop) -> None:
    (_, bare), (_, over) = (
        plan(web, "--json").json,
        plan(web, "--json", over={"groups": {"web": {"order": 77}}}).json,
    )
    assert bare["draft"]["plan"]["groups"] == over["draft"]["plan"]["groups"]
    assert bare["content_hash"] != over["content_hash"]
    assert {each["at"] for each in over["overlay"]} == {"web.order"}


def test_overlay_changes_nothing_when_it_says_what_the_config_says(web: Shop) -> None:
    same = plan(web, over={"groups": {"web": {"timeout": "1m"}}})
    assert "changes nothing" in same.out
    assert same.out.split()[1] == plan(web).out.split()[1]


def test_overlay_runs_once_and_leaves_the_config_when_a_run_uses_the_overlay(web: Shop) -> None:
    before = web.terminal("deploy", "config", "app").out
    file = web.terminal.file("over.toml", '[groups.web]\ndeploy_command = "echo overlay >> ran"\n')
    said = web.run("--overlay", str(file))
    assert 'overlay: web.deploy_command: "echo config' in said.out
    assert ran(web) == "overlay\n"
    assert web.terminal("deploy", "config", "app").out == before
    web.run()
    assert ran(web) == "overlay\nconfig\n"


def test_overlay_is_refused_before_planning_when_it_does_not_fit(web: Shop) -> None:
    said = plan(web, over={"groups": {"wbe": {"timeout": 1}, "web": {"oder": 2}}}, code=78)
    assert "did you mean web" in said.err
    assert "nothing was planned" in said.err
    assert web.pg.tables() == []


def test_plan_runs_with_its_overlay_when_run_by_its_id(web: Shop) -> None:
    named = plan(web, over=HELLO).out.split()[1].rstrip(":")
    web.pg.query("CREATE TABLE moved (id int)")
    web.terminal("deploy", "run", "--plan", named)
    assert ran(web) == "overlay\n"


def test_plan_is_made_again_with_its_overlay_and_refused_when_the_target_has_moved(
    web: Shop,
) -> None:
    named = plan(web, over=HELLO).out.split()[1].rstrip(":")
    web.migration("003_more.sql", "CREATE TABLE more (id int);")
    web.run("--skip-group", "web")
    refused = web.terminal("deploy", "run", "--plan", named, code=22)
    assert "no longer to do" in refused.err
    assert "overlay" not in refused.err
    assert ran(web) == ""


def test_run_goes_on_under_its_overlay_when_resumed_after_a_failure(web: Shop) -> None:
    fails = {"groups": {"web": {"deploy_command": "echo try >> ran; test -f ok"}}}
    file = web.terminal.file("over.json", json.dumps(fails))
    web.run("--overlay", str(file), code=12)
    web.terminal.file("app/ok", "")
    web.terminal("deploy", "resume", "app")
    assert ran(web) == "try\ntry\n"


def test_bundle_carries_its_overlay_when_run_from_another_state(web: Shop, tmp_path: Path) -> None:
    bundle = tmp_path / "release.plan"
    plan(web, "--out", str(bundle), over=HELLO)
    web.terminal.set(TEMPLEDB_STATE=str(tmp_path / "elsewhere" / "state.duckdb"))
    words = ["--plan", str(bundle), "--env", f"DATABASE_URL={web.pg.dsn}"]
    web.terminal("project", "import", "app")
    said = web.terminal("deploy", "run", *words)
    assert "overlay: web.deploy_command" in said.out
    assert ran(web) == "overlay\n"


def test_approval_counts_only_for_the_plan_with_its_overlay_when_a_target_is_protected(
    web: Shop,
) -> None:
    web.terminal("target", "update", "app", "staging", "--protected")
    bare = plan(web).out.split()[1].rstrip(":")
    web.approve(bare)
    file = str(web.terminal.file("over.json", json.dumps(HELLO)))
    assert "approve" in web.run("--overlay", file, code=20).err
    over = plan(web, over=HELLO).out.split()[1].rstrip(":")
    web.approve(over)
    web.run("--overlay", file)
    assert ran(web) == "overlay\n"


def test_overlay_cannot_lower_the_policy_when_the_target_is_protected(web: Shop) -> None:
    web.run("--skip-group", "web")
    web.migration("000_late.sql", "CREATE TABLE late (id int);")
    web.terminal("target", "update", "app", "staging", "--protected")
    over = {"groups": {"migrations": {"order_policy": "non-linear", "timeout": 9}}}
    assert "is out of order" in plan(web, over=over, code=78).out


def test_overlay_is_refused_when_it_contains_a_known_secret(web: Shop) -> None:
    over = {"groups": {"web": {"deploy_command": f"psql '{web.pg.dsn}' -v ON_ERROR_STOP=1 -c ''"}}}
    said = plan(web, over=over, code=78)
    assert "the value of a secret" in said.err


def test_overlay_is_refused_when_the_run_names_a_plan(web: Shop) -> None:
    named = plan(web).out.split()[1].rstrip(":")
    file = str(web.terminal.file("over.json", json.dumps(HELLO)))
    assert (
        "runs a plan as it is"
        in web.terminal("deploy", "run", "--plan", named, "--overlay", file, code=64).err
    )


def test_overlay_is_accepted_as_a_mapping_when_given_from_python(web: Shop) -> None:
    temple = Temple.open(web.terminal.state)
    preview = temple.plan("app", overlay=HELLO)
    assert [each.at for each in preview.overlay] == ["web.deploy_command"]
    with pytest.raises(UsageProblem):
        temple.run("app", plan=preview, overlay=HELLO)
    temple.run(plan=preview)
    assert ran(web) == "overlay\n"
