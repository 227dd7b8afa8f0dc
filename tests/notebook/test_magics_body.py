"""Commands with a cell's body, in a real kernel: overlays, configs, questions, migrations."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from jupyter_client.manager import KernelManager

from templedb_nb.commands.examples import leaves
from templedb_nb.commands.tree import tree
from templedb_nb.kernel_config import TempleDB
from tests.conftest import HARD_PASSWORD, MIGRATIONS, Shop
from tests.notebook.test_notebook import Kernel

WEB = {"name": "web", "deploy_command": "echo config >> ran", "timeout": 60, "workdir": "project"}


@pytest.fixture
def kernel(shop: Shop) -> Iterator[Kernel]:
    shop.config(MIGRATIONS, WEB)
    manager = KernelManager(kernel_name="python3", transport="ipc")
    manager.kernel_spec.argv[0] = sys.executable
    manager.start_kernel(cwd=str(shop.terminal.home), env={**os.environ, **shop.terminal.environ})
    it = Kernel(manager, shop.terminal.home)
    it.run("%load_ext templedb_nb\n%templedb use app --target staging")
    yield it
    it.client.stop_channels()
    manager.shutdown_kernel(now=True)
    manager.cleanup_resources()


@pytest.mark.parametrize(
    "body",
    [
        '{"groups": {"web": {"timeout": "5m"}}}',
        "groups:\n  web:\n    timeout: 5m",
        '[groups.web]\ntimeout = "5m"',
    ],
)
@pytest.mark.parametrize("line", ["deploy plan", "deploy --dry-run"])
def test_cell_body_is_an_overlay_that_the_card_shows_when_the_cell_plans(
    kernel: Kernel, body: str, line: str
) -> None:
    said = kernel.run(f"%%templedb {line}\n{body}")
    assert "web.timeout: 60 → 300" in said["data"]["text/plain"]
    card = said["data"]["text/html"]
    assert "Overlay: changes to the config, for this plan only" in card
    assert "- 60" in card
    assert "+ 300" in card


@pytest.mark.parametrize("body", ["", "groups: {web: {timeout: 5m}}"])
@pytest.mark.parametrize("above", ["# deploy it", "%pwd", "\n# deploy it\n", "import os"])
def test_cell_magic_says_where_it_belongs_when_other_lines_stand_above(
    kernel: Kernel, above: str, body: str
) -> None:
    said = kernel.run(f"{above}\n%%templedb deploy plan\n{body}", ok=False)
    assert "%%templedb must be the first line of its cell" in str(said)


def test_overlay_counts_for_one_run_when_given_in_a_cell_body(kernel: Kernel, shop: Shop) -> None:
    kernel.run("%%templedb run << deploy run\ngroups: {web: {deploy_command: 'echo over >> ran'}}")
    assert kernel.value("str(run.outcome)") == "'succeeded'"
    kernel.run("%%templedb deploy\n")
    assert (shop.terminal.home / "app/ran").read_text() == "over\nconfig\n"
    assert "echo over" not in shop.terminal("deploy", "config", "app").out


def test_overlay_is_refused_with_every_problem_when_it_does_not_fit(kernel: Kernel) -> None:
    said = kernel.run("%%templedb deploy\ngroups: {wbe: {timeout: 1}, web: {oder: 2}}", ok=False)
    told = "\n".join(said["error"]["traceback"])
    assert "did you mean web" in told
    assert "did you mean order" in told
    unread = kernel.run("%%templedb deploy --dry-run\nsome words", ok=False)
    assert "not an object in JSON, YAML or TOML" in unread["error"]["evalue"]


@pytest.mark.parametrize(
    "body",
    [
        '{"groups": [{"name": "only", "deploy_command": "true"}]}',
        "groups:\n- name: only\n  deploy_command: 'true'",
        '[[groups]]\nname = "only"\ndeploy_command = "true"',
    ],
)
@pytest.mark.parametrize("line", ["deploy config", "config set"])
def test_cell_body_becomes_the_config_when_the_cell_sets_the_config(
    kernel: Kernel, shop: Shop, body: str, line: str
) -> None:
    said = kernel.run(f"%%templedb {line} --note 'from a cell'\n{body}")
    assert "is stored: only" in said["stdout"]
    history = shop.terminal("deploy", "config", "app", "--history").out
    assert "from a cell" in history
    assert '"only"' in shop.terminal("deploy", "config", "app").out


def test_config_keeps_its_old_version_when_the_config_in_a_cell_is_wrong(
    kernel: Kernel, shop: Shop
) -> None:
    before = shop.terminal("deploy", "config", "app").out
    said = kernel.run("%%templedb config set\ngroups: [{name: a, oder: 1}, {name: a}]", ok=False)
    assert len(said["error"]["traceback"]) > 2
    assert shop.terminal("deploy", "config", "app").out == before
    both = kernel.run("%%templedb deploy config --history\ngroups: []", ok=False)
    assert "leave" in both["stderr"]


def test_query_result_is_a_frame_when_the_target_is_queried_in_a_cell(
    kernel: Kernel, shop: Shop
) -> None:
    shop.pg.query("CREATE TABLE pets (id int, name text, born timestamptz, kg numeric)")
    shop.pg.query(
        "INSERT INTO pets VALUES (1, 'Rex', '2026-11-01 09:00Z', 1.5), (NULL, NULL, NULL, NULL)"
    )
    shop.pg.query("GRANT SELECT ON pets TO public")
    kernel.run("%%templedb pets << query --target staging\nSELECT *, 1 AS id\nFROM pets ORDER BY 1")
    assert kernel.value("list(pets.columns)") == "['id', 'name', 'born', 'kg', 'id']"
    kernel.run("kinds = [str(each) for each in pets.dtypes]")
    assert kernel.value("kinds[0], kinds[2:]") == (
        "('Int64', ['datetime64[us, UTC]', 'object', 'Int64'])"
    )
    assert kernel.value("pets.born[0].isoformat()") == "'2026-11-01T09:00:00+00:00'"
    kernel.run('who = "Rex\' OR true --"')
    said = kernel.run(
        "%%templedb query --param who={who}\nSELECT id FROM pets WHERE name = %(who)s"
    )
    assert "Empty DataFrame" in said["data"]["text/plain"] or "0 rows" in str(said["data"])
    cut = kernel.run("%templedb query 'SELECT * FROM generate_series(1, 9)' --limit 3")
    assert "first 3 rows" in cut["stdout"]
    assert "%templedb" not in kernel.run("%%templedb query --csv\nSELECT 1 AS n")["stdout"]


def test_cell_fails_when_the_expectation_of_its_query_is_not_met(kernel: Kernel) -> None:
    kernel.run("%%templedb query --expect true\nSELECT 1 = 1")
    said = kernel.run("%%templedb query --expect 0\nSELECT 2 AS n", ok=False)
    assert said["error"]["ename"] == "ExpectationFailed"
    assert "expected 0, but got 2" in said["error"]["evalue"]
    writes = kernel.run("%%templedb query\nDROP TABLE users", ok=False)
    assert "read-only" in writes["error"]["evalue"]


def test_query_and_overlay_work_as_on_a_server_when_the_target_is_a_duckdb_file(
    kernel: Kernel, shop: Shop
) -> None:
    shop.terminal("target", "add", "app", "local")
    url = f"duckdb://{shop.terminal.home}/local.duckdb"
    shop.terminal("env", "set", "app", "DATABASE_URL", url, "--plain", "--target", "local")
    kernel.run("%%templedb deploy run -t local\n[groups.web]\ndeploy_command = 'echo over >> ran'")
    assert (shop.terminal.home / "app/ran").read_text() == "over\n"
    kernel.run("%%templedb found << query -t local --expect rows=1\nSELECT id FROM orders")
    assert kernel.value("found.id.tolist(), str(found.id.dtype)") == "([1], 'Int64')"
    writes = kernel.run("%%templedb query -t local\nDELETE FROM orders", ok=False)
    assert "read-only" in writes["error"]["evalue"]


def test_query_shows_no_secret_when_the_result_holds_a_secret_of_the_target(kernel: Kernel) -> None:
    literal = HARD_PASSWORD.replace("'", "''")
    said = str(kernel.run(f"%%templedb query\nSELECT $a${literal}$a$ || $b${HARD_PASSWORD}$b$"))
    assert HARD_PASSWORD not in said
    assert "***[DATABASE_URL]" in said


def test_migration_is_written_and_runs_when_its_sql_stands_in_the_cell_body(
    kernel: Kernel, shop: Shop
) -> None:
    said = kernel.run("%%templedb migration new add_email\nCREATE TABLE email (id int);\n")
    assert "migrations/003_add_email.sql written" in said["stdout"]
    kernel.run("%templedb deploy run")
    assert "email" in shop.pg.tables()
    wrong = kernel.run("%%templedb migration new wrong\nSELECT 1;\nSELECT 'half", ok=False)
    assert "line 2" in "\n".join(wrong["error"]["traceback"])
    assert not (shop.terminal.home / "app/migrations/004_wrong.sql").exists()


# --- completion ---------------------------------------------------------------------------------


def offered(kernel: Kernel, typed: str) -> dict[str, str]:
    """Return what Tab offers in a real kernel, with what is told of it."""
    reply = kernel.client.complete(typed, reply=True, timeout=60)["content"]
    found = reply["metadata"]["_jupyter_types_experimental"]
    return {each["text"]: spaced(each["type"]) for each in found}


def spaced(told: str) -> str:
    """Return what is told of a word as people read it: on the page no space breaks it."""
    return told.replace("\u00a0", " ").replace("\u2011", "-")


def test_completion_offers_each_name_with_what_it_is_when_its_beginning_is_typed(
    kernel: Kernel, shop: Shop
) -> None:
    shop.run("--skip-group", "web")
    file = "targets: {qa: {variables: {DATABASE_URL: 'env:QA_URL'}}}\n"
    shop.terminal("env", "set", "app", "API_KEY", "env:HOME", "--target", "staging")
    for typed, name, told in (
        ("deploy run a", "app", str(shop.terminal.home / "app")),
        ("deploy run --target st", "staging", "database of app"),
        ("deploy run --skip-group w", "web", "commands group of app"),
        ("deploy run --env AP", "API_KEY", "of staging"),
        ("deploy run --release ", "1", "app: 2 files; just now"),
        ("deploy run --lock-wait 15", "15m", "15 minutes"),
        ("deploy history --status un", "unknown", "its outcome is not known"),
        ("deploy history --since 7", "7d", "the last week"),
        ("migration down --to migrations/00", "migrations/002_orders.sql", "migration of app"),
        ("target update staging --order-policy linear-", "linear-skip", "say so"),
        ("query --expect em", "empty", "no row"),
        ("query --database D", "DATABASE_URL", "database of app"),
        ("env unset app AP", "API_KEY", "of staging"),
        ("con", "config", "Set the deployment config"),
        ("completion z", "zsh", "$fpath"),
        ("deploy config --format y", "yaml", "as YAML"),
    ):
        found = offered(kernel, f"%templedb {typed}")
        assert told in found[name] or told.endswith(found[name].lstrip("…")), (typed, found)
    (plan,) = offered(kernel, "%templedb approve ").items()
    assert plan[1].startswith("app to staging; planned just now")
    last, *others = offered(kernel, "%templedb deploy show ").items()
    assert last == ("last", "the newest run")
    assert others[-1][1].startswith("succeeded: app to staging on ")
    shop.terminal.file("app/templedb.yaml", file)
    shop.terminal("project", "sync", "app")
    assert "database of app" in offered(kernel, "%templedb status --target q")["qa"]


def test_completion_explains_every_word_when_nothing_or_an_option_prefix_is_typed(
    kernel: Kernel,
) -> None:
    for typed in ("", "deploy ", "deploy run --", "migration ", "target update --", "query --"):
        found = offered(kernel, f"%templedb {typed}")
        assert found
        assert [text for text, told in found.items() if told in {"", "option"}] == []


def test_completion_offers_files_and_python_variables_when_their_beginning_is_typed(
    kernel: Kernel, shop: Shop
) -> None:
    shop.terminal.file("over.toml", "")
    assert offered(kernel, "%templedb deploy run --overlay ov") == {"over.toml": "file"}
    assert offered(kernel, "%templedb deploy run --overlay=ov") == {"--overlay=over.toml": "file"}
    assert offered(kernel, "%templedb deploy config --set ap") == {"app/": "folder"}
    kernel.run("where = 'staging'")
    assert offered(kernel, "%templedb target show app {wh") == {"{where}": "Python variable: str"}
    assert "id={where}" in offered(kernel, "%templedb query --param id={wh")


def test_kernel_settings_are_documented_and_complete_when_config_is_asked(kernel: Kernel) -> None:
    told = kernel.run("%config TempleDB")["stdout"]
    guide = (Path(__file__).parents[2] / "docs" / "guide.md").read_text()
    for name, trait in TempleDB.class_traits(config=True).items():
        assert f"TempleDB.{name}" in told
        assert trait.help
        assert f"| `{name}` |" in guide
    found = kernel.complete("%config TempleDB.")
    assert "TempleDB.target" in found
    assert kernel.complete("%config TempleDB.target = 'st") == ["'staging'"]
    assert kernel.complete("%config TempleDB.project = ") == ["'app'"]
    kernel.run('%config TempleDB.target = "staging"')
    assert kernel.run("%config TempleDB.target")["data"]["text/plain"] == "'staging'"
    assert "staging" in kernel.run("%templedb target show")["stdout"]


def test_question_mark_shows_the_whole_help_with_examples_when_asked_in_a_cell(
    kernel: Kernel,
) -> None:
    reply = kernel.client.execute_interactive("%templedb?", timeout=60, store_history=False)
    text = reply["content"]["payload"][0]["data"]["text/plain"]
    for part in ("A first deployment:", "In a notebook", "%%templedb config set", "<< query"):
        assert part in text
    for path, _ in leaves(tree):
        assert f"\n  %templedb {path}\n" in text
