"""Runbooks that run unattended: real kernels, real processes, really killed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import HARD_PASSWORD, Said, Shop

LOAD = "%load_ext templedb_nb"
DEPLOY = "%templedb deploy run app --target staging"
SLOW = "CREATE TABLE half (id int); SELECT pg_sleep(300);"
Cell = str | tuple[str, ...]


def notebook(path: Path, *cells: Cell, **metadata: dict[str, Any]) -> Path:
    """Write a notebook; of a tuple the rest are tags. *metadata* is by the cell's id (c0, c1 …)."""
    made = []
    for number, each in enumerate(cells):
        source, *tags = (each,) if isinstance(each, str) else each
        name = f"c{number}"
        made.append(
            {
                "cell_type": "code",
                "id": name,
                "metadata": {"tags": tags, **metadata.get(name, {})},
                "source": source,
                "outputs": [],
                "execution_count": None,
            }
        )
    body = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": made}
    path.write_text(json.dumps(body), encoding="utf-8")
    return path


@dataclass
class Runbooks:
    """Runbooks of a shop, run by processes of their own."""

    shop: Shop
    begun: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def home(self) -> Path:
        return self.shop.terminal.home

    def write(self, *cells: Cell, name: str = "book", **metadata: dict[str, Any]) -> Path:
        return notebook(self.home / f"{name}.ipynb", *cells, **metadata)

    def start(self, *words: str) -> subprocess.Popen[str]:
        process = self.shop.terminal.process("runbook", "run", *words)
        self.begun.append(process)
        return process

    def end(self, process: subprocess.Popen[str], code: int | None) -> Said:
        out, err = process.communicate(timeout=120)
        said = Said(process.returncode, out, err)
        assert HARD_PASSWORD not in said.all
        if code is not None:
            assert said.code == code, said.all
        return said

    def run(self, *words: str, code: int | None = 0, name: str = "book") -> Said:
        return self.end(self.start(f"{name}.ipynb", "-o", "out", *words), code)

    def saved(self, name: str = "book") -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.home / "out" / f"{name}.ipynb").read_text())
        return found

    def states(self) -> list[str]:
        return [each["metadata"]["templedb"]["state"] for each in self.saved()["cells"]]

    def about(self) -> dict[str, Any]:
        return dict(self.saved()["metadata"]["templedb"])

    def sleeping(self) -> list[int]:
        """Return the kernel's processes that hold a migration that sleeps."""
        return [
            int(pid)
            for (pid,) in self.shop.pg.query(
                "SELECT pid FROM pg_stat_activity WHERE query LIKE '%pg_sleep(300)%'"
                " AND state = 'active' AND pid <> pg_backend_pid() AND datname = current_database()"
            )
        ]


@pytest.fixture
def books(shop: Shop) -> Iterator[Runbooks]:
    made = Runbooks(shop)
    yield made
    for each in made.begun:
        if each.poll() is None:
            each.kill()
            each.communicate()


def until(true: Callable[[], Any], seconds: float = 60) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := true():
            return found
        time.sleep(0.05)
    pytest.fail("it did not come true")


def test_runbook_deploys_and_keeps_its_record_when_run_with_a_parameter(books: Runbooks) -> None:
    books.write(("target = 'nowhere'", "parameters"), LOAD, "%templedb deploy run app -t {target}")
    said = books.run("-p", "target=staging")
    assert books.shop.pg.tables() == ["orders", "users"]
    assert "done   migrations: migrations/001_users.sql" in said.out
    assert books.states() == ["ok"] * 4
    about = books.about()
    assert (about["exit_code"], about["reason"], len(about["runs"])) == (0, "", 1)
    assert about["parameters"] == {"target": "'staging'"}
    assert books.saved()["cells"][1]["metadata"]["tags"] == ["injected-parameters"]
    assert "2 migrations applied" in json.dumps(books.saved())
    assert "execution" in books.saved()["cells"][0]["metadata"]


def test_runbook_ends_and_runs_no_later_cell_when_a_cell_fails(books: Runbooks) -> None:
    books.write("x = 1", "1 / 0", "print('never')")
    said = books.run(code=10)
    assert "ZeroDivisionError" in said.out
    assert books.states() == ["ok", "failed", "not_run"]
    assert books.about()["reason"] == "cell 2: ZeroDivisionError: division by zero"


def test_runbook_says_that_the_target_changed_when_a_cell_fails_after_a_deployment(
    books: Runbooks,
) -> None:
    books.write(LOAD, DEPLOY, "1 / 0")
    books.run(code=12)


@pytest.mark.parametrize(
    "cells",
    [
        (LOAD, DEPLOY),
        (LOAD, (DEPLOY, "raises-exception"), "print('on')"),
        (LOAD, f"try:\n    get_ipython().run_line_magic('templedb', '{DEPLOY[10:]}')\nexcept Exception:\n    pass"),
        ("from templedb_nb import Temple\nresult = Temple.open().run('app', 'staging')",),
    ],
    ids=["plain", "raises-exception", "caught", "api"],
)  # fmt: skip
def test_runbook_fails_when_a_deployment_failed(books: Runbooks, cells: tuple[Cell, ...]) -> None:
    books.shop.migration("003_bad.sql", "SELECT nope;")
    books.write(*cells)
    books.run(code=12)
    assert "nope" in books.about()["reason"]


def test_runbook_succeeds_when_a_failed_deployment_was_made_good(books: Runbooks) -> None:
    bad = books.shop.migration("003_bad.sql", "SELECT nope;")
    mend = f"open('app/{bad}', 'w').write('SELECT 1;')"
    books.write(LOAD, (DEPLOY, "raises-exception"), mend, DEPLOY)
    books.run()


def test_runbook_is_refused_when_a_cell_that_deploys_is_marked_as_skipped(books: Runbooks) -> None:
    books.write(LOAD, (DEPLOY, "skip-execution"))
    said = books.run(code=78)
    assert "cell 2: %templedb deploy run app --target staging" in said.err
    books.write(LOAD, ("1 / 0", "skip-execution"), DEPLOY)
    books.run()
    assert books.states() == ["ok", "skipped", "ok"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("-p", "tarket=x"), "no parameter tarket; did you mean target?"),
        (("-p", "count=many"), "count is an int, but 'many' is not one"),
        (("-p", "sure=perhaps"), "sure is a bool"),
        (("-p", "names={}"), "names is a list"),
        (("-p", "target"), "target: write target=VALUE"),
        (("-p", "count=1", "-p", "count=2"), "count is given twice"),
        (("-p", "count=1.5"), "count is an int"),
    ],
)
def test_runbook_parameter_is_refused_when_it_does_not_fit(
    books: Runbooks, words: tuple[str, ...], told: str
) -> None:
    declared = "target: str = 'a'\ncount = 1\nsure = False\nnames = ['x']\nrate = 0.5"
    books.write((declared, "parameters"))
    said = books.run(*words, "-p", "nobody=1", code=64)
    assert told in said.err
    assert "no parameter nobody" in said.err, "every problem at once"
    assert not (books.home / "out" / "book.ipynb").exists()


def test_runbook_parameters_are_read_when_given_by_words_a_file_and_the_environment(
    books: Runbooks,
) -> None:
    declared = "a = 1\nb = 1\nc = 1\nd = [1]\ne: float = 1\nf = True\ng = None"
    books.write((declared, "parameters"), "print([a, b, c, d, e, f, g])")
    books.shop.terminal.file("values.yaml", "b: 2\nc: 2\nd: [2, x]\n")
    books.shop.terminal.set(TEMPLEDB_PARAM_A="9", TEMPLEDB_PARAM_B="9", TEMPLEDB_PARAM_F="no")
    said = books.run("--params", "values.yaml", "-p", "c=3", "-p", "e=2", "-p", "g=text")
    assert "[9, 2, 3, [2, 'x'], 2.0, False, 'text']" in said.out


def test_parameter_cell_is_refused_and_not_executed_when_it_holds_more_than_literals(
    books: Runbooks,
) -> None:
    books.write(("x = open('made', 'w')", "parameters"))
    said = books.run(code=78)
    assert "holds more than names with literals" in said.err
    assert not (books.home / "made").exists()


def test_runbook_inspect_says_what_each_cell_would_do(books: Runbooks) -> None:
    books.write(
        ("target = 'staging'", "parameters"),
        LOAD,
        "found = %templedb status app",
        "%%templedb plan << deploy plan app --target {target}",
        "%templedb deploy app --target {target};\nprint(1)",
        "%templedb deploy run app --dry-run",
    )
    shown = books.shop.terminal("runbook", "inspect", "book.ipynb", "--json").json[1]
    lines = [(c["number"], n["command"], n["mutates"]) for c in shown["cells"] for n in c["lines"]]
    assert lines == [
        (3, "status", False),
        (4, "deploy plan", False),
        (5, "deploy run", True),
        (6, "deploy run", False),
    ]
    assert shown["parameters"][0]["name"] == "target"
    told = books.shop.terminal("runbook", "inspect", "book.ipynb").out
    assert "targets: staging" in told
    assert books.shop.pg.tables() == []


def test_runbook_ends_with_20_until_approved_when_the_target_is_protected(books: Runbooks) -> None:
    books.shop.terminal("target", "update", "app", "staging", "--protected")
    books.write(LOAD, DEPLOY)
    began = time.monotonic()
    books.run(code=20)
    assert time.monotonic() - began < 30, "it waits for nobody"
    plan = books.shop.terminal("deploy", "plan", "app", "--json").json[1]["plan_id"]
    books.shop.approve(plan)
    books.run()


def test_runbook_files_and_logs_hold_no_secret_when_cells_print_secrets(books: Runbooks) -> None:
    token = "tok/en<&>'42"
    books.shop.terminal.set(DEPLOY_TOKEN=token, PLAIN_NAME="not a secret", PWD=str(books.home))
    books.shop.config({"name": "x", "deploy_command": "echo $DATABASE_URL"})
    books.write(
        LOAD,
        "%templedb target test app staging",
        "import os\nfor each in os.environ['DEPLOY_TOKEN']: print(each, end='', flush=True)",
        "from IPython.display import HTML\nimport html\nHTML(html.escape(os.environ['DEPLOY_TOKEN']))",
        DEPLOY,
        "print(os.environ['PLAIN_NAME'])",
        f"raise ValueError({token!r})",
    )
    said = books.run("--json", code=None)
    saved = (books.home / "out" / "book.ipynb").read_text()
    for text in (saved, said.all):
        assert token not in text
        assert "tok/en&lt;&amp;&gt;" not in text
        assert HARD_PASSWORD not in text
        assert books.shop.pg.dsn not in text
    assert "***[DEPLOY_TOKEN]" in saved
    assert "***[PWD]" not in said.all, "a folder is not a password"
    assert "not a secret" in saved


def test_runner_masks_a_secret_when_only_the_kernel_knows_the_secret(books: Runbooks) -> None:
    books.write(
        LOAD,
        "%templedb target test app staging",
        f"print({books.shop.pg.dsn[:20]!r} + {books.shop.pg.dsn[20:]!r})",
    )
    books.run()
    saved = json.dumps(books.saved())
    assert "***[DATABASE_URL]" in saved
    assert books.shop.pg.dsn not in saved


def test_runbook_output_keeps_its_beginning_and_end_when_it_has_a_hundred_megabytes(
    books: Runbooks,
) -> None:
    books.write("for n in range(1000): print('x' * 100_000)\nprint('the end')", "1")
    said = books.run()
    text = "".join(books.saved()["cells"][0]["outputs"][0]["text"])
    assert len(text) < 3_000_000
    assert text.endswith("the end\n")
    assert "characters left out" in text
    assert len(said.out) < 3_000_000


def test_cell_is_interrupted_when_it_exceeds_its_timeout(books: Runbooks) -> None:
    limit = {"c0": {"templedb": {"timeout": 1}}}
    books.write("import time\nprint('here', flush=True)\ntime.sleep(100)", "1", **limit)
    books.run(code=124)
    assert books.states() == ["failed", "not_run"]
    assert "here" in json.dumps(books.saved())


def test_cell_is_killed_when_it_ignores_its_interrupt(books: Runbooks) -> None:
    ignore = "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\ntime.sleep(100)"
    books.write("x = 1", ignore, "1")
    began = time.monotonic()
    books.run("--timeout", "4s", code=124)
    assert time.monotonic() - began < 30
    assert books.states() == ["ok", "failed", "not_run"]


def test_runbook_fails_at_once_when_the_kernel_dies(books: Runbooks) -> None:
    books.write("import os, signal\nprint('before', flush=True)\nos.kill(os.getpid(), 9)", "1")
    books.run(code=10)
    assert "the kernel died" in books.about()["reason"]
    assert books.states() == ["failed", "not_run"]
    assert "before" in json.dumps(books.saved())
    assert books.saved()["cells"][0]["metadata"]["templedb"]["seconds"] < 30, (
        "it waits for no limit"
    )


def test_runbook_records_the_truth_when_the_kernel_is_killed_during_a_migration(
    books: Runbooks,
) -> None:
    slow = books.shop.migration("003_slow.sql", SLOW)
    books.write("import os\nopen('pid', 'w').write(str(os.getpid()))", LOAD, DEPLOY, "1")
    process = books.start("book.ipynb", "-o", "out")
    until(books.sleeping)
    os.kill(int((books.home / "pid").read_text()), signal.SIGKILL)
    books.end(process, 12)
    assert "half" not in books.shop.pg.tables()
    assert books.states()[2:] == ["failed", "not_run"]
    (books.home / "app" / slow).write_text("SELECT 1;")
    books.run()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_deployment_is_cancelled_when_the_runbook_gets_a_signal(
    books: Runbooks, number: signal.Signals, code: int
) -> None:
    slow = books.shop.migration("003_slow.sql", SLOW)
    books.write(LOAD, DEPLOY, "1")
    process = books.start("book.ipynb", "-o", "out")
    until(books.sleeping)
    process.send_signal(number)
    began = time.monotonic()
    books.end(process, code)
    assert time.monotonic() - began < 30, "it does not wait for the migration"
    assert "cancelled" in books.shop.terminal("deploy", "history", "app").out
    assert books.shop.pg.tables() == ["orders", "users"]
    assert books.states() == ["ok", "failed", "not_run"]
    (books.home / "app" / slow).write_text("SELECT 1;")
    books.run("--resume")
    assert len(books.shop.pg.applied()) == 3


def test_kernel_ends_when_the_runner_is_killed(books: Runbooks) -> None:
    slow = books.shop.migration("003_slow.sql", SLOW)
    books.write(LOAD, "import os\nopen('pid', 'w').write(str(os.getpid()))", DEPLOY, "1")
    process = books.start("book.ipynb", "-o", "out")
    until(books.sleeping)
    process.kill()
    process.communicate()
    until(lambda: not Path(f"/proc/{(books.home / 'pid').read_text()}").exists())
    until(lambda: not books.sleeping())
    assert books.states() == ["ok", "ok", "running", "not_run"]
    assert books.about()["state"] == "running"
    (books.home / "app" / slow).write_text("SELECT 1;")
    books.run()


def test_migrations_are_applied_once_when_two_runbooks_share_a_state(books: Runbooks) -> None:
    books.write(LOAD, f"{DEPLOY} --lock-wait 60s", name="one")
    books.write(LOAD, f"{DEPLOY} --lock-wait 60s", name="two")
    both = [books.start(f"{name}.ipynb", "-o", "out") for name in ("one", "two")]
    codes = [books.end(process, None).code for process in both]
    assert sorted(codes) in ([0, 0], [0, 22])
    assert books.shop.pg.tables() == ["orders", "users"]


def test_runbook_runs_another_runbook_when_called_in_a_shell_cell(books: Runbooks) -> None:
    books.write(LOAD, DEPLOY, name="inner")
    here = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    books.shop.terminal.set(PATH=here)
    books.write(LOAD, "!templedb runbook run inner.ipynb\nassert _exit_code == 0", DEPLOY)
    books.run()
    assert books.shop.pg.tables() == ["orders", "users"]
    books.write(LOAD, "%templedb runbook run inner.ipynb")
    assert "!templedb runbook run" in json.dumps(books.run(code=None).out)


def test_runbook_file_is_never_written_when_it_runs(books: Runbooks) -> None:
    path = books.write("x = 1")
    before = path.read_bytes()
    said = books.end(books.start("book.ipynb", "-o", "book.ipynb"), 64)
    assert "is the runbook itself" in said.err
    books.run()
    assert path.read_bytes() == before
    assert sorted(each.name for each in (books.home / "out").iterdir()) == ["book.ipynb"]


def test_runbook_prints_a_line_for_each_cell_and_event_when_json_is_asked_for(
    books: Runbooks,
) -> None:
    books.write(LOAD, DEPLOY)
    lines = books.run("--json").json
    kinds = [each.get("kind") for each in lines]
    assert kinds[1] == "RunbookStarted"
    assert kinds[-1] == "RunbookResult"
    assert lines[-1]["exit_code"] == 0
    assert "Stamped" in kinds
    assert kinds.index("CellStarted") < kinds.index("CellFinished")


def test_runbook_is_refused_when_the_file_is_not_a_notebook(books: Runbooks) -> None:
    (books.home / "book.ipynb").write_text("{")
    assert "is not a notebook" in books.run(code=78).err
    (books.home / "book.ipynb").write_text('{"nbformat": 3, "worksheets": []}')
    assert "not a notebook of format 4" in books.run(code=78).err
    (books.home / "book.ipynb").unlink()
    books.run(code=78)


def test_temporary_folder_is_empty_when_a_runbook_has_ended(books: Runbooks) -> None:
    books.shop.terminal.set(TMPDIR=str(books.home / "tmp"))
    (books.home / "tmp").mkdir()
    books.write("x = 1")
    books.run()
    assert list((books.home / "tmp").iterdir()) == []


# --- going on with what broke off -----------------------------------------------------------------


ADD = "%templedb target add app other --provider local"


def counted(books: Runbooks) -> int:
    """Return how often the deploy command of the config ran."""
    count = books.home / "count"
    return len(count.read_text().splitlines()) if count.exists() else 0


def once(books: Runbooks) -> None:
    """Let a deployment count itself."""
    books.shop.config(
        {"name": "migrations", "file_patterns": ["migrations/*.sql"]},
        {"name": "app", "deploy_command": f"date >> {books.home}/count"},
    )


def test_resume_skips_cells_when_their_deployments_are_proven_done(books: Runbooks) -> None:
    once(books)
    books.write(LOAD, ADD, DEPLOY, "assert open('go').read()", "print('behind')")
    books.run(code=12)
    assert counted(books) == 1
    (books.home / "go").write_text("go")
    said = books.run("--resume")
    assert counted(books) == 1
    assert said.out.count(": skipped") == 2
    assert "behind" in said.out
    assert "resumes " in said.out
    assert "nothing to resume" in books.run("--resume", code=None).out, "the last one ended well"


def test_runbook_begins_at_its_beginning_when_run_again_without_resume(books: Runbooks) -> None:
    once(books)
    books.write(LOAD, DEPLOY, "1 / 0")
    books.run(code=12)
    books.run(code=12)
    assert counted(books) == 2


@pytest.mark.parametrize(
    "what",
    ["other words", "another release", "other parameters", "another cell"],
)
def test_resume_deploys_again_when_the_cell_release_words_or_parameters_changed(
    books: Runbooks, what: str
) -> None:
    once(books)
    declared = ("n = 0", "parameters")
    books.write(declared, LOAD, DEPLOY, "1 / 0")
    books.run(code=12)
    given: list[str] = []
    if what == "other words":
        books.write(declared, LOAD, f"{DEPLOY} --lock-wait 20s", "1")
    elif what == "another release":
        books.shop.migration("003_more.sql", "SELECT 1;")
    elif what == "another cell":
        books.write(declared, LOAD, "2", DEPLOY, "1")
    else:
        given = ["-p", "n=1"]
    books.run("--resume", *given, code=None)
    assert counted(books) == 2


def test_resume_tells_lines_apart_when_a_cell_has_equal_lines(books: Runbooks) -> None:
    once(books)
    twice = f"{DEPLOY}\n{DEPLOY}"
    books.write(LOAD, twice, "1 / 0")
    books.run(code=12)
    assert counted(books) == 2
    said = books.run("--resume", code=12)
    assert counted(books) == 2
    assert said.out.count(": skipped") == 2


@pytest.mark.parametrize("who", ["runner", "kernel", "SIGTERM"])
def test_resume_finishes_the_run_and_repeats_nothing_when_the_runbook_was_killed(
    books: Runbooks, who: str
) -> None:
    go = books.home / "go"
    books.shop.config(
        {"name": "app", "deploy_command": f"date >> {books.home}/count"},
        {
            "name": "wait",
            "deploy_command": f"touch {books.home}/waits; while [ ! -e {go} ]; do sleep 0.1; done",
        },
        {"name": "migrations", "file_patterns": ["migrations/*.sql"]},
    )
    books.write(LOAD, "import os\nopen('pid', 'w').write(str(os.getpid()))", DEPLOY, "print('on')")
    process = books.start("book.ipynb", "-o", "out")
    until(lambda: (books.home / "waits").exists())
    until(lambda: (books.home / "pid").exists())
    pid = int((books.home / "pid").read_text())
    if who == "kernel":
        os.kill(pid, signal.SIGKILL)
    elif who == "runner":
        process.kill()
    else:
        process.send_signal(signal.SIGTERM)
    process.communicate()
    until(lambda: not Path(f"/proc/{pid}").exists())
    status = books.shop.terminal("runbook", "status", "book.ipynb").out
    assert ("died" if who == "runner" else "exit 1") in status
    go.touch()
    said = books.run("--resume", code=None)
    if said.code == 13:  # nobody saw how the waiting command ended: a person says so first
        left = re.search(r"run resolve (\S+)", said.out)
        assert left is not None
        books.shop.terminal("run", "resolve", left[1], "--reason", "it waited, and did nothing")
        said = books.run("--resume")
    assert said.code == 0, said.all
    assert counted(books) == 1
    assert books.shop.pg.tables() == ["orders", "users"]
    assert "on" in said.out


def test_runbook_status_and_history_show_the_run_when_a_runbook_failed(books: Runbooks) -> None:
    books.write(("target = 'x'", "parameters"), LOAD, "%templedb deploy run app -t {target}", "1/0")
    books.run("-p", "target=staging", code=12)
    told = books.shop.terminal("runbook", "status", "book.ipynb").out
    assert "exit 12" in told
    assert "target='staging'" in told
    assert "succeeded" in told
    history = books.shop.terminal("runbook", "history").out
    assert "book.ipynb" in history
    assert "division by zero" in history
    rows = books.shop.terminal("sql", "SELECT name, exit_code, runs FROM runbooks", "--json").json
    assert rows[1]["rows"][0][1] == 12
    assert (
        "this state knows of no run"
        in books.shop.terminal("runbook", "status", "other.ipynb", code=64).err
    )


def signed(books: Runbooks, *policy: str) -> None:
    """Make a plan that wants a signed approval, and approve it elsewhere."""
    terminal = books.shop.terminal
    key = books.home / "emil"
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)]
    subprocess.run(words, check=True)
    public = key.with_suffix(".pub").read_text()
    signers = terminal.file("signers", f"emil@example.com {public}")
    demands = ("--approvals", "1", "--signed", "--signers", str(signers), *policy)
    terminal("target", "update", "app", "staging", *demands)
    terminal("deploy", "plan", "app", "--out", "plan.templedb")
    me = terminal.environ.get("TEMPLEDB_USER", "")
    terminal.set(TEMPLEDB_USER="emil@example.com")
    sign = ("--reason", "read it", "--sign", str(key), "--out", "approval.json")
    terminal("approve", "plan.templedb", *sign)
    terminal.set(TEMPLEDB_USER=me)


def test_approval_file_lets_only_its_own_plan_pass_when_given_to_a_runbook(books: Runbooks) -> None:
    books.write(LOAD, DEPLOY)
    signed(books)
    body = json.loads((books.home / "approval.json").read_text())
    (books.home / "bad.json").write_text(json.dumps({**body, "reason": "forged"}))
    books.run("--approval", "bad.json", code=20)
    assert books.shop.pg.tables() == []
    books.run("--approval", "approval.json")
    assert books.shop.pg.tables() == ["orders", "users"]


def test_approval_file_does_not_count_when_it_has_expired(books: Runbooks) -> None:
    books.write(LOAD, DEPLOY)
    signed(books, "--expires", "1s")
    time.sleep(1.1)
    assert "older than" in books.run("--approval", "approval.json", code=20).out
    assert books.shop.pg.tables() == []


# --- what ends a runbook ------------------------------------------------------------------------

GUARD = "import asyncio, sys, threading\ndef bad(): return True\n"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("exit()", "exit()"),
        ("exit", "exit()"),
        ("quit;", "exit()"),
        ("exit(1)", "exit(1)"),
        ("exit('no')", "exit('no')"),
        ("exit(keep_kernel=True)", "exit()"),
        ("if bad():\n    quit\nprint('went on')", "exit()"),
        ("if bad():\n    exit()\nprint('went on')", "exit()"),
        ("def stop():\n    quit\nstop()\nprint('went on')", "exit()"),
        ("try:\n    exit()\nexcept BaseException:\n    pass", "exit()"),
        ("thread = threading.Thread(target=exit)\nthread.start()\nthread.join()", "exit()"),
        ("get_ipython().ask_exit()\nprint('went on')", "exit()"),
        ("%reset -f\nexit()", "exit()"),
        ("await asyncio.sleep(0)\nexit()", "exit()"),
        ("%%capture\nexit()", "exit()"),
        ("%%time\nexit()", "exit()"),
        ("sys.exit()", "sys.exit()"),
        ("raise SystemExit", "sys.exit()"),
        ("sys.exit('text')", "sys.exit('text')"),
        ("sys.exit('0')", "sys.exit('0')"),
        ("sys.exit(3)", "sys.exit(3)"),
        ("await asyncio.sleep(0)\nsys.exit(2)", "sys.exit(2)"),
        ("%run fails.py", "sys.exit(3)"),
        ("%run -i leaves.py", "exit()"),
    ],
)
def test_runbook_ends_at_its_cell_and_fails_when_a_cell_exits(
    books: Runbooks, source: str, said: str
) -> None:
    (books.home / "fails.py").write_text("import sys\nsys.exit(3)\n")
    (books.home / "leaves.py").write_text("exit()\n")
    books.write(LOAD, GUARD, (source, "raises-exception"), DEPLOY)
    shown = books.run(code=10)
    assert books.states() == ["ok", "ok", "failed", "not_run"]
    assert f"\n  cell 3 ended the runbook: {said}\n" in shown.out
    assert "1 not run (ended by cell 3)" in shown.out
    assert "went on" not in shown.out
    assert books.shop.pg.tables() == []


@pytest.mark.parametrize("source", ["sys.exit(0)", "exit(0)", "raise SystemExit(0)"])
def test_runbook_ends_at_its_cell_and_succeeds_when_a_cell_exits_with_0(
    books: Runbooks, source: str
) -> None:
    books.write(LOAD, GUARD, DEPLOY, f"if bad():\n    {source}\nprint('went on')", "1 / 0")
    shown = books.run("--junit", "junit.xml")
    assert books.states() == ["ok", "ok", "ok", "ok", "not_run"]
    assert books.about()["reason"] == f"cell 4 ended the runbook: {said_of(source)}"
    assert "went on" not in shown.out
    assert "not run (ended by cell 4)" in (books.home / "junit.xml").read_text()
    assert "not run (ended by cell 4)" in books.shop.terminal("runbook", "status", "book.ipynb").out
    assert all(cell["outputs"] == [] for cell in books.saved()["cells"][3:])
    assert "nothing to resume" in books.run("--resume").out


def said_of(source: str) -> str:
    return "exit(0)" if source == "exit(0)" else "sys.exit(0)"


def test_runbook_exit_code_follows_its_deployments_when_a_cell_exits_after_them(
    books: Runbooks,
) -> None:
    books.write(LOAD, DEPLOY, "exit()", "1 / 0")
    assert "cell 3: exit() ended the runbook" in books.run(code=12).out
    books.shop.migration("003.sql", "SELECT nope;")
    tried = (f"%templedb project sync app\n{DEPLOY}", "raises-exception")
    books.write(LOAD, tried, "import sys; sys.exit(0)", "1 / 0")
    assert "; cell 3 ended the runbook: sys.exit(0)" in books.run(code=10).out
    books.shop.terminal("target", "update", "app", "staging", "--approvals", "1")
    books.write(LOAD, (DEPLOY, "raises-exception"), "exit()", "1 / 0")
    assert "; cell 3 ended the runbook: exit()" in books.run(code=20).out


def test_runbook_goes_on_when_an_exit_is_caught_or_ends_only_a_script(books: Runbooks) -> None:
    (books.home / "script.py").write_text("import sys\nif __name__ == '__main__':\n  sys.exit(0)\n")
    caught = "try:\n    sys.exit(1)\nexcept SystemExit:\n    print('caught')"
    books.write("import sys", "%run script.py", caught, "print('the last')")
    assert "the last" in books.run().out
    assert books.states() == ["ok"] * 4


@pytest.mark.parametrize(
    "source",
    [
        "%run bad.py",
        "%run bad.ipynb",
        "%%capture\n1 / 0",
        "%%capture\n%nope",
        "get_ipython().run_cell('1 / 0');",
        "%%capture\n%templedb deploy run nobody",
    ],
)
def test_cell_fails_when_ipython_only_shows_the_error(books: Runbooks, source: str) -> None:
    (books.home / "bad.py").write_text("1 / 0\n")
    notebook(books.home / "bad.ipynb", "1 / 0")
    books.write(LOAD, source, DEPLOY)
    shown = books.run(code=None)
    assert shown.code, shown.all
    assert books.states() == ["ok", "failed", "not_run"]
    books.write(LOAD, (source, "raises-exception"), "1")
    books.run(code=64 if "templedb" in source else 0)
    assert books.states()[2] == "ok"


@pytest.mark.parametrize("how", ["os._exit(0)", "os._exit(7)", "os.kill(os.getpid(), 9)"])
def test_runbook_names_the_cell_when_the_kernel_ends_itself(books: Runbooks, how: str) -> None:
    books.write("import os", how, "print('never')")
    books.run(code=10)
    said = books.about()["reason"]
    number = 9 if "kill" in how else int(how[-2])
    assert said.startswith("cell 2: the kernel died (")
    assert str(number) in said
    assert books.states() == ["ok", "failed", "not_run"]


def test_output_is_masked_when_printed_before_the_kernel_opens_anything(books: Runbooks) -> None:
    books.shop.terminal("env", "set", "app", "API_KEY", "x7Kp2mQ9vL4sT8")
    books.write(
        "print('x7Kp2mQ9', end=''); print('vL4sT8')",
        "print('to https://rosa:hidden-word@example.com/x')\n'https://rosa:hidden-word@example.com/y'",
    )
    said = books.run()
    kept = json.dumps(books.saved()["cells"][0]["outputs"] + books.saved()["cells"][1]["outputs"])
    for text in (said.all, kept):
        assert "x7Kp2mQ9vL4sT8" not in text
        assert "hidden-word" not in text
    assert "***[API_KEY]" in kept
    assert "https://rosa:***@example.com/x" in kept
    assert "https://rosa:***@example.com/y" in kept
