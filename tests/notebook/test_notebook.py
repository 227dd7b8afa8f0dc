"""The magic in a real kernel: the same words, the same results, as values."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.manager import KernelManager

from tests.conftest import HARD_PASSWORD, MIGRATIONS, Shop

ROOT = Path(__file__).parents[2]


class Kernel:
    """A kernel of this interpreter, asked as a front end would."""

    def __init__(self, manager: KernelManager, home: Path) -> None:
        self.manager = manager
        self.client = manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)
        self.home = home

    def run(
        self,
        code: str,
        *,
        ok: bool = True,
        answer: str | None = None,
        answers: Callable[[], str | None] | None = None,
    ) -> dict[str, Any]:
        """Run a cell; return what came: texts, data, errors. *answers* is asked for each input.

        Where it returns None, nobody answers.
        """
        asked = answers or (None if answer is None else lambda: answer)
        found: dict[str, Any] = {
            "stdout": "",
            "stderr": "",
            "data": {},
            "displays": [],
            "error": None,
        }

        def take(message: dict[str, Any]) -> None:
            content = message["content"]
            match message["msg_type"]:
                case "stream":
                    found[content["name"]] += content["text"]
                case "execute_result":
                    found["data"] = content["data"]
                case "display_data" | "update_display_data":
                    found["displays"].append(content["data"])
                case "error":
                    found["error"] = content

        def answering(_: dict[str, Any]) -> None:
            assert asked is not None
            if (said := asked()) is not None:
                self.client.input(said)

        reply = self.client.execute_interactive(
            code,
            output_hook=take,
            stdin_hook=answering,
            allow_stdin=asked is not None,
            timeout=120,
        )
        if ok:
            assert reply["content"]["status"] == "ok", found
        found["status"] = reply["content"]["status"]
        return found

    def value(self, expression: str) -> str:
        return str(self.run(f"print(repr(({expression})))")["stdout"]).strip()

    def complete(self, code: str) -> list[str]:
        reply = self.client.complete(code, len(code), reply=True, timeout=30)
        return list(reply["content"]["matches"])


@pytest.fixture
def kernel(shop: Shop) -> Iterator[Kernel]:
    manager = KernelManager(kernel_name="python3", transport="ipc")
    manager.kernel_spec.argv[0] = sys.executable
    manager.start_kernel(cwd=str(shop.terminal.home), env={**os.environ, **shop.terminal.environ})
    it = Kernel(manager, shop.terminal.home)
    it.run("%load_ext templedb_nb")
    yield it
    it.client.stop_channels()
    manager.shutdown_kernel(now=True)
    manager.cleanup_resources()


def test_notebook_tells_the_whole_story_when_a_project_is_planned_and_deployed(
    kernel: Kernel, shop: Shop
) -> None:
    said = kernel.run("%templedb use app --target staging")
    assert "in use: app on staging" in said["stdout"]
    kernel.run("status = %templedb status")
    assert kernel.value("type(status).__name__, int(status.pending[0])") == "('DataFrame', 2)"

    planned = kernel.run("%%templedb deploy --dry-run")
    assert "001_users.sql" in planned["data"]["text/plain"]
    assert "<table" in planned["data"]["text/html"]
    assert "application/vnd.templedb.plan+json" in planned["data"]
    assert shop.pg.tables() == []

    ran = kernel.run("%templedb deploy run")
    assert "2 migrations applied" in ran["data"]["text/plain"]
    assert "application/vnd.templedb.run+json" in ran["data"]
    assert shop.pg.tables() == ["orders", "users"]

    kernel.run("history = %templedb migration history")
    assert (
        kernel.value("list(history.file)")
        == "['migrations/002_orders.sql', 'migrations/001_users.sql']"
    )
    assert kernel.value(
        "str(history.applied_at.dtype), str(history.took.dtype), str(history.state.dtype)"
    ) == ("('datetime64[us, UTC]', 'timedelta64[ms]', 'category')")
    kernel.run("migrations = %templedb migration status --show-applied")
    assert kernel.value("migrations.attrs['applied'], migrations.attrs['pending']") == "(2, 0)"


def test_failed_deployment_stops_run_all_with_a_short_error(kernel: Kernel, shop: Shop) -> None:
    shop.migration("003_bad.sql", "SELECT nope;")
    said = kernel.run("%templedb deploy run", ok=False)
    assert said["error"]["ename"] == "RunFailed"
    assert len("\n".join(said["error"]["traceback"]).splitlines()) <= 2
    assert any("text/html" in each and "nope" in each["text/html"] for each in said["displays"])


@pytest.mark.parametrize(
    ("line", "name", "word"),
    [
        ("%templedb migration show nobody", "UnknownName", "there is no migration"),
        ("%templedb deploy plan other", "UnknownName", "there is no project"),
        ("%templedb deploy hisotry", None, "did you mean: %templedb deploy history"),
        ("%templedb nonsense", None, "there is no command"),
        ("%templedb status --nope", None, "No such option"),
        ("%templedb status 'unclosed", None, "cannot read the line"),
        ("%templedb status {nobody}", None, "there is no Python variable"),
    ],
)
def test_mistake_is_answered_in_a_line_or_two_when_made_in_a_cell(
    kernel: Kernel, line: str, name: str | None, word: str
) -> None:
    said = kernel.run(line, ok=False)
    assert said["status"] == "error"
    told = said["stderr"] + "\n".join((said["error"] or {}).get("traceback", []))
    assert word in told
    assert "Traceback" not in told
    if name:
        assert said["error"]["ename"] == name


def test_run_is_a_live_card_and_becomes_a_line_when_it_has_ended(
    kernel: Kernel, shop: Shop
) -> None:
    shop.config({"name": "web", "build_command": "echo built one; sleep 0.5; echo built two"})
    *going_on, last = kernel.run("run = %templedb deploy run")["displays"]
    assert all("running" in each["text/html"] for each in going_on)
    assert "| built one" in going_on[-1]["text/html"]
    assert "| built one" in going_on[-1]["text/plain"]
    assert "built two" in last["text/html"]
    assert "Stop" not in last["text/html"]
    assert last["text/plain"].endswith("has ended: succeeded")


def test_error_is_a_card_for_a_person_and_whole_text_when_a_program_runs_the_cell(
    kernel: Kernel, shop: Shop
) -> None:
    shop.terminal.file("wrong.json", '{"groups": [{"name": "a", "oder": 1}, {"name": "a"}]}')
    line = "%templedb deploy config app --set wrong.json"
    watched = kernel.run(line, ok=False, answer="nobody asks")
    assert "did you mean order" in watched["displays"][0]["text/html"]
    assert "did you mean order" in watched["displays"][0]["text/plain"]
    assert len(watched["error"]["traceback"]) == 1
    by_a_program = kernel.run(line, ok=False)
    assert "did you mean order" in "\n".join(by_a_program["error"]["traceback"])


def test_python_variable_is_replaced_when_it_stands_for_a_word(kernel: Kernel) -> None:
    kernel.run("where = 'staging'")
    assert "staging" in kernel.run("%templedb target show app {where}")["stdout"]


def test_secret_is_asked_for_and_refused_when_typed_into_a_cell(kernel: Kernel, shop: Shop) -> None:
    refused = kernel.run("%templedb env set app TOKEN a-secret-in-a-cell", ok=False)
    assert "saved with the notebook" in refused["stderr"]
    kernel.run("%templedb env set app TOKEN", answer="asked-for-secret")
    kernel.run("%templedb env set app OTHER env:HOME")
    kernel.run("%templedb env set app EACH 'template:https://{name}.example.com/{TOKEN}'")
    kept = json.dumps(kernel.run("%templedb env list app"))
    assert "template:https://{name}.example.com/{TOKEN}" in kept
    shop.config({"name": "x", "deploy_command": "echo $TOKEN"})
    said = kernel.run("%templedb deploy run")
    assert "asked-for-secret" not in json.dumps(said)


def test_cell_body_is_refused_when_the_command_takes_no_body(kernel: Kernel) -> None:
    said = kernel.run("%%templedb status\nsome words", ok=False)
    assert "leave it empty" in said["stderr"]


def test_words_complete_when_their_beginning_is_typed(kernel: Kernel) -> None:
    assert "migration" in kernel.complete("%templedb mig")
    assert "mark-applied" in kernel.complete("%templedb migration m")
    assert "--dry-run" in kernel.complete("%templedb deploy run --d")
    assert kernel.complete("%templedb deploy run --target sta") == ["staging"]
    assert "templedb" not in str(kernel.complete("import os; os.pa"))


def test_help_is_shown_when_asked_with_the_option_or_the_docstring(kernel: Kernel) -> None:
    assert "mark-applied" in kernel.run("%templedb migration --help")["stdout"]
    assert "Plan, review, approve" in kernel.value(
        "get_ipython().magics_manager.magics['line']['templedb'].__doc__"
    )


def test_extension_leaves_no_double_and_no_remains_when_reloaded_and_unloaded(
    kernel: Kernel,
) -> None:
    count = "len(ip.Completer.custom_matchers), len(ip.input_transformers_cleanup), len(ip.display_formatter.mimebundle_formatter.deferred_printers)"
    kernel.run("ip = get_ipython()")
    loaded = kernel.value(count)
    kernel.run("%reload_ext templedb_nb\n%reload_ext templedb_nb")
    assert kernel.value(count) == loaded
    kernel.run("%templedb deploy --dry-run\n")
    kernel.run("%unload_ext templedb_nb")
    assert (
        kernel.value(
            "'templedb' in ip.magics_manager.magics['line'], 'templedb' in ip.magics_manager.magics['cell']"
        )
        == "(False, False)"
    )
    assert kernel.value("[k for k in vars(ip) if 'templedb' in k]") == "[]"
    assert kernel.value("len(ip.Completer.custom_matchers)") == "0"
    assert "templedb" not in kernel.value(
        "str(ip.display_formatter.mimebundle_formatter.type_printers)"
    )


def test_migration_is_rolled_back_when_its_cell_is_interrupted(kernel: Kernel, shop: Shop) -> None:
    import threading
    import time

    shop.migration("003_slow.sql", "CREATE TABLE half (id int); SELECT pg_sleep(300);")

    def interrupt() -> None:
        end = time.monotonic() + 30
        while time.monotonic() < end:
            if shop.pg.query(
                "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%pg_sleep(300)%' AND state = 'active' AND pid <> pg_backend_pid() AND datname = current_database()"
            ):
                kernel.manager.interrupt_kernel()
                return
            time.sleep(0.05)

    thread = threading.Thread(target=interrupt)
    thread.start()
    said = kernel.run("%templedb deploy run", ok=False)
    thread.join()
    assert "cancelled" in json.dumps(said)
    assert "half" not in shop.pg.tables()
    assert "cancelled" in shop.terminal("deploy", "history").out


def test_extension_loads_nothing_heavy_when_nothing_is_used_yet() -> None:
    code = (
        "import sys, templedb_nb\n"
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "shell = InteractiveShell.instance()\n"
        "before = set(sys.modules)\n"
        "shell.run_line_magic('load_ext', 'templedb_nb')\n"
        "heavy = {'pandas', 'duckdb', 'psycopg', 'ipywidgets', 'nbclient', 'numpy', 'yaml', 'cryptography'}\n"
        "print(sorted(heavy & (set(sys.modules) - before)))\n"
    )
    for script in (
        code,
        "import sys, templedb_nb.cli, templedb_nb\nprint(sorted({'pandas', 'duckdb', 'psycopg', 'IPython', 'yaml'} & set(sys.modules)))",
    ):
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == "[]"


def test_card_masks_what_the_terminal_masks_when_a_plan_holds_secrets(
    kernel: Kernel, shop: Shop
) -> None:
    shop.config(MIGRATIONS | {"pre_deploy": ["curl https://u:passw0rdX@h/x; echo first-of-rosa"]})
    kernel.run("%templedb use app --target staging")
    kernel.run("%templedb env set app TOKEN", answer="first-of-rosa")
    planned = kernel.run("plan = %templedb deploy plan\nplan")
    said = json.dumps(planned)
    assert "https://<wbr>u:***@h" in planned["data"]["text/html"]
    assert "u:***@h" in planned["data"]["text/plain"]
    assert "u:***@h" in json.dumps(planned["data"]["application/vnd.templedb.plan+json"])
    for secret in ("passw0rdX", "first-of-rosa"):
        assert secret not in said
    assert kernel.value("'passw0rdX' in plan.plan.steps[0].command") == "True"  # as it will run
    for line in ("from templedb_nb import Temple; Temple.open().plan('app', 'staging')", "plan"):
        assert "passw0rdX" not in json.dumps(kernel.run(line))


def test_saved_notebook_holds_no_secret_when_its_deployment_fails(shop: Shop) -> None:
    from nbclient import NotebookClient

    shop.migration("003_bad.sql", "SELECT nope;")
    shop.config(
        {"name": "x", "build_command": "echo $DATABASE_URL"},
        {"name": "migrations", "file_patterns": ["migrations/*.sql"]},
    )
    notebook = nbformat.v4.new_notebook()
    lines = [
        "%load_ext templedb_nb",
        "%templedb use app",
        "%templedb target show",
        "%templedb env list",
        "%templedb deploy --dry-run",
        "%templedb deploy run",
    ]
    notebook.cells = [nbformat.v4.new_code_cell(line) for line in lines]
    manager = KernelManager(kernel_name="python3", transport="ipc")
    manager.kernel_spec.argv[0] = sys.executable
    client = NotebookClient(
        notebook, km=manager, timeout=120, resources={"metadata": {"path": str(shop.terminal.home)}}
    )
    client.owns_km = True
    with pytest.raises(Exception, match="RunFailed"):
        client.execute(env={**os.environ, **shop.terminal.environ})
    saved = nbformat.writes(notebook)
    assert "RunFailed" in saved
    assert HARD_PASSWORD not in saved
    assert shop.pg.dsn not in saved


def test_cell_magic_gives_its_value_to_a_variable_when_the_arrow_is_used(
    kernel: Kernel, shop: Shop
) -> None:
    shop.run()
    kernel.run("%load_ext templedb_nb")
    kernel.run("%%templedb plan << deploy --dry-run")
    assert kernel.value("type(plan).__name__") == "'Preview'"
    kernel.run("%%templedb rows << sql\nSELECT run\nFROM runs")
    assert kernel.value("len(rows)") == "1"
    said = kernel.run("rows << 1", ok=False)
    assert said["status"] == "error"


def test_cell_shows_nothing_when_its_line_ends_with_a_semicolon(kernel: Kernel, shop: Shop) -> None:
    shop.run()
    kernel.run("%load_ext templedb_nb")
    for code in ("%templedb status;", "%templedb target list app;", "%%templedb deploy --dry-run;"):
        said = kernel.run(code)
        assert (said["data"], said["displays"], said["stdout"]) == ({}, [], ""), code


def test_query_result_is_a_frame_when_sql_runs_in_a_cell(kernel: Kernel, shop: Shop) -> None:
    shop.run()
    kernel.run("%load_ext templedb_nb")
    said = kernel.run("%%templedb sql\nSELECT target, outcome, took\nFROM runs")
    assert "staging" in said["data"]["text/plain"]
    assert "<table" in said["data"]["text/html"]
    frame = "get_ipython().run_line_magic('templedb', 'sql SELECT took, outcome FROM runs')"
    assert (
        kernel.value(f"[str(each) for each in {frame}.dtypes]") == "['timedelta64[us]', 'category']"
    )
    refused = kernel.run("%templedb sql DROP TABLE main.runs", ok=False)
    assert "refused the query" in refused["error"]["evalue"]


def test_config_magic_shows_and_sets_the_target_when_the_extension_is_loaded(
    kernel: Kernel, shop: Shop
) -> None:
    shop.run()
    kernel.run("%load_ext templedb_nb")
    assert "TempleDB.target" in kernel.run("%config TempleDB")["stdout"]
    kernel.run("%templedb use app --target staging")
    assert kernel.run("%config TempleDB.target")["data"]["text/plain"] == "'staging'"
    kernel.run("%config TempleDB.target = 'nowhere'")
    assert "nowhere" in kernel.run("%templedb migration status", ok=False)["error"]["evalue"]
    kernel.run("%unload_ext templedb_nb")
    assert "TempleDB" not in kernel.run("%config")["stdout"]


def test_extension_has_one_of_each_hook_when_loaded_twice(kernel: Kernel) -> None:
    kernel.run("%load_ext templedb_nb\n%reload_ext templedb_nb\n%reload_ext templedb_nb")
    counted = (
        "ip = get_ipython(); n = lambda found: sum('templedb' in (getattr(e, '__module__', '') or '') for e in found);"
        "print([n(ip.Completer.custom_matchers), n(ip.input_transformers_cleanup), n(ip.configurables)])"
    )
    assert kernel.run(counted)["stdout"].strip() == "[1, 1, 1]"
    kernel.run("%unload_ext templedb_nb")
    assert kernel.run(counted)["stdout"].strip() == "[0, 0, 0]"


def test_question_mark_shows_a_first_deployment_when_asked_in_a_cell(kernel: Kernel) -> None:
    kernel.run("%load_ext templedb_nb")
    reply = kernel.client.execute_interactive("%templedb?", timeout=60, store_history=False)
    (page,) = reply["content"]["payload"]
    assert "A first deployment:" in page["data"]["text/plain"]
    assert "deploy" in page["data"]["text/plain"]


@pytest.mark.parametrize(
    ("typed", "offered", "told"),
    [
        ("%templedb deploy run --skip-group mi", "migrations", "group of app"),
        (
            "%templedb migration show app migrations/00",
            "migrations/001_users.sql",
            "migration of app",
        ),
        ("%templedb target show app st", "staging", "database of app"),
        ("%templedb deploy show 0", "0", "succeeded: app to staging"),
        ("%%templedb plan << deploy --dry", "--dry-run", "Show the plan"),
    ],
)
def test_names_complete_with_what_they_are_when_their_beginning_is_typed(
    kernel: Kernel, shop: Shop, typed: str, offered: str, told: str
) -> None:
    shop.run()
    kernel.run("%load_ext templedb_nb")
    reply = kernel.client.complete(typed, reply=True, timeout=60)["content"]
    found = reply["metadata"]["_jupyter_types_experimental"]
    assert any(
        each["text"].startswith(offered) and told in each["type"].replace("\u00a0", " ")
        for each in found
    ), found


def test_python_variable_is_replaced_when_it_stands_for_a_word_or_an_option_value(
    kernel: Kernel,
) -> None:
    kernel.run("project, where = 'app', 'staging'")
    said = kernel.run("%templedb use {project} --target {where}")
    assert "in use: app on staging" in said["stdout"]


def test_migration_status_tables_can_be_compared_when_taken_before_and_after_a_run(
    kernel: Kernel,
) -> None:
    kernel.run("%templedb use app --target staging")
    kernel.run("before = %templedb migration status")
    kernel.run("%templedb deploy run")
    kernel.run("after = %templedb migration status --show-applied")
    assert kernel.value("bool((before.state != after.state).all())") == "True"


def test_waiting_plans_are_a_frame_with_a_card_when_listed_in_a_notebook(
    kernel: Kernel, shop: Shop
) -> None:
    shop.terminal("target", "update", "app", "staging", "--protected")
    made = shop.terminal("deploy", "plan", "app", "--json").json[-1]["plan_id"]
    kernel.run("%load_ext templedb_nb")
    said = kernel.run("%templedb approvals --waiting")
    (card,) = said["displays"]
    assert "Plans that wait" in card["text/html"]
    assert made[:12] in card["text/plain"]
    folded = said["data"]["text/html"]
    assert "<summary>As a DataFrame: 1 row, " in folded
    assert made[:12] in folded
    assert "Plans that wait" not in folded
    assert said["data"]["text/plain"].startswith("as a DataFrame: 1 row, ")
    whole = kernel.run("_")["data"]
    assert "Plans that wait" in whole["text/html"]
    assert "<summary>As a DataFrame" not in whole["text/html"]
    assert made[:12] in whole["text/plain"]
    kernel.run("rows = get_ipython().run_line_magic('templedb', 'approvals --waiting')")
    assert kernel.value("list(rows['plan'])") == repr([made])
    kinds = "[str(rows.dtypes[each]) for each in ('since', 'missing', 'kind')]"
    assert kernel.value(kinds) == "['datetime64[us, UTC]', 'Int64', 'category']"
    approve = f"%templedb approve {made[:12]} --reason 'read it'"
    assert "they made the plan" in kernel.run(approve)["stdout"]


def test_rollout_that_fails_stops_run_all_and_its_status_is_a_table(
    kernel: Kernel, shop: Shop
) -> None:
    url = f"duckdb:{shop.terminal.home}"
    shop.terminal("target", "add", "app", "second")
    shop.terminal("target", "add", "app", "third")
    for name in ("second", "third"):
        dsn = f"{url}/{name}.duckdb"
        shop.terminal("env", "set", "app", "DATABASE_URL", "--target", name, stdin=dsn)
    shop.migration("003_bad.sql", "SELECT nope;")
    said = kernel.run('%templedb fleet run app --where "name in (second, third)"', ok=False)
    assert said["error"]["ename"] == "RunFailed"
    card = next(each for each in said["displays"] if "text/html" in each)
    assert "Rollout of a plan" in card["text/html"]
    kernel.run("rollout = %templedb fleet status")
    assert kernel.value("sorted(rollout.target)") == "['second', 'third']"
    assert "failed" in kernel.value("list(rollout.state)")
