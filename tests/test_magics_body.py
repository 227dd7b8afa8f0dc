"""Commands with a cell's body, in a real kernel: overlays, configs, questions, migrations."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest
from jupyter_client.manager import KernelManager

from tests.conftest import HARD_PASSWORD, MIGRATIONS, Shop
from tests.test_notebook import Kernel

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
def test_a_body_is_an_overlay_and_the_card_shows_it(kernel: Kernel, body: str, line: str) -> None:
    said = kernel.run(f"%%templedb {line}\n{body}")
    assert "web.timeout: 60 → 300" in said["data"]["text/plain"]
    card = said["data"]["text/html"]
    assert "Overlay: the config, for this plan alone" in card
    assert "- 60" in card
    assert "+ 300" in card


def test_a_body_is_for_one_run(kernel: Kernel, shop: Shop) -> None:
    kernel.run("%%templedb run << deploy run\ngroups: {web: {deploy_command: 'echo over >> ran'}}")
    assert kernel.value("str(run.outcome)") == "'succeeded'"
    kernel.run("%%templedb deploy\n")
    assert (shop.terminal.home / "app/ran").read_text() == "over\nconfig\n"
    assert "echo over" not in shop.terminal("deploy", "config", "app").out


def test_an_overlay_that_does_not_fit_is_told_whole(kernel: Kernel) -> None:
    said = kernel.run("%%templedb deploy\ngroups: {wbe: {timeout: 1}, web: {oder: 2}}", ok=False)
    told = "\n".join(said["error"]["traceback"])
    assert "did you mean web" in told
    assert "did you mean order" in told
    unread = kernel.run("%%templedb deploy --dry-run\nsome words", ok=False)
    assert "no object in JSON, YAML or TOML" in unread["error"]["evalue"]


@pytest.mark.parametrize(
    "body",
    [
        '{"groups": [{"name": "only", "deploy_command": "true"}]}',
        "groups:\n- name: only\n  deploy_command: 'true'",
        '[[groups]]\nname = "only"\ndeploy_command = "true"',
    ],
)
@pytest.mark.parametrize("line", ["deploy config", "config set"])
def test_a_body_may_be_the_config(kernel: Kernel, shop: Shop, body: str, line: str) -> None:
    said = kernel.run(f"%%templedb {line} --note 'from a cell'\n{body}")
    assert "is kept: only" in said["stdout"]
    history = shop.terminal("deploy", "config", "app", "--history").out
    assert "from a cell" in history
    assert '"only"' in shop.terminal("deploy", "config", "app").out


def test_a_config_in_a_cell_that_is_wrong_keeps_the_old_one(kernel: Kernel, shop: Shop) -> None:
    before = shop.terminal("deploy", "config", "app").out
    said = kernel.run("%%templedb config set\ngroups: [{name: a, oder: 1}, {name: a}]", ok=False)
    assert len(said["error"]["traceback"]) > 2
    assert shop.terminal("deploy", "config", "app").out == before
    both = kernel.run("%%templedb deploy config --history\ngroups: []", ok=False)
    assert "leave" in both["stderr"]


def test_a_query_is_a_frame_of_the_target(kernel: Kernel, shop: Shop) -> None:
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


def test_an_expectation_fails_the_cell(kernel: Kernel) -> None:
    kernel.run("%%templedb query --expect true\nSELECT 1 = 1")
    said = kernel.run("%%templedb query --expect 0\nSELECT 2 AS n", ok=False)
    assert said["error"]["ename"] == "ExpectationFailed"
    assert "expected 0, and got 2" in said["error"]["evalue"]
    writes = kernel.run("%%templedb query\nDROP TABLE users", ok=False)
    assert "read only" in writes["error"]["evalue"]


def test_no_secret_of_the_target_is_shown(kernel: Kernel) -> None:
    literal = HARD_PASSWORD.replace("'", "''")
    said = str(kernel.run(f"%%templedb query\nSELECT $a${literal}$a$ || $b${HARD_PASSWORD}$b$"))
    assert HARD_PASSWORD not in said
    assert "***[DATABASE_URL]" in said


def test_a_migration_is_written_from_the_body_and_runs(kernel: Kernel, shop: Shop) -> None:
    said = kernel.run("%%templedb migration new add_email\nCREATE TABLE email (id int);\n")
    assert "migrations/003_add_email.sql written" in said["stdout"]
    kernel.run("%templedb deploy run")
    assert "email" in shop.pg.tables()
    wrong = kernel.run("%%templedb migration new wrong\nSELECT 1;\nSELECT 'half", ok=False)
    assert "line 2" in "\n".join(wrong["error"]["traceback"])
    assert not (shop.terminal.home / "app/migrations/004_wrong.sql").exists()
