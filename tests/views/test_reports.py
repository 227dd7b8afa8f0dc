"""Reports beside a deployment: JUnit, Markdown, annotations, outputs, masks, one page."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from templedb_nb.model.event import Outcome, StepFailed, StepLabel
from templedb_nb.model.result import Result
from templedb_nb.model.step_result import StepResult, StepState
from templedb_nb.views.reports.junit import junit
from templedb_nb.views.reports.summary import COMMENT, summary
from tests.conftest import HARD_PASSWORD, Shop
from tests.runbook.test_runbook import DEPLOY, LOAD, SLOW, Runbooks, books, until

__all__ = ["books"]

BAD = "SELECT 1;\nSELECT nope;\n"


def commands(log: str) -> list[str]:
    """Return what GitHub's runner would carry out of a log, by its own two rules."""
    found = []
    for line in log.splitlines():
        modern = re.match(r"\s*::([a-z-]+)(?: [^:]*)?::", line)
        legacy = re.search(r"##\[([a-z-]+)[^\]]*\]", line)
        if modern or legacy:
            found.append(line.strip())
    return found


@pytest.fixture
def job(shop: Shop) -> Shop:
    """A shop in a job of GitHub Actions."""
    home = shop.terminal.home
    (home / "step").write_text("what another command said\n")
    shop.terminal.set(
        GITHUB_ACTIONS="true",
        GITHUB_WORKSPACE=str(home),
        GITHUB_STEP_SUMMARY=str(home / "step"),
        GITHUB_OUTPUT=str(home / "output"),
    )
    return shop


def failed(steps: int, message: str = "it failed", tail: str = "") -> Result:
    """Return a run of many steps, of which the last one failed."""
    label = StepLabel(group="db", phase="migrations", kind="apply", title="m.sql", key="m.sql")
    made = [StepResult(label=label, state=StepState.DONE, started_ms=0, ended_ms=5)] * (steps - 1)
    last = StepResult(label=label, state=StepState.FAILED, message=message, tail=tail)
    failure = StepFailed(step=steps - 1, message=message, changed=True, tail=tail)
    return Result(
        run="01a", slug="shop", target="staging", steps=(*made, last), failure=failure,
        outcome=Outcome.FAILED, exit_code=12, message=message,
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip


def test_junit_has_a_case_for_each_step_when_a_run_fails(shop: Shop) -> None:
    shop.migration("003_bad.sql", BAD)
    shop.terminal("deploy", "run", "app", "--junit", "report.xml", code=12)
    root = ET.parse(shop.terminal.home / "report.xml").getroot()
    (suite,) = root
    assert suite.get("name") == "app to staging"
    assert (root.get("tests"), root.get("failures")) == ("4", "2")
    bad = next(case for case in suite if "003_bad" in case.get("name", ""))
    failure = bad.find("failure")
    assert failure is not None
    assert "nope" in failure.get("message", "")
    assert bad.get("classname") == "app.staging.migrations"


def test_junit_and_summary_tell_cells_and_run_when_a_runbook_fails(books: Runbooks) -> None:
    books.shop.migration("003_bad.sql", BAD)
    books.write(LOAD, DEPLOY, "print('never')")
    books.run("--junit", "report.xml", "--summary", "report.md", code=12)
    root = ET.parse(books.home / "report.xml").getroot()
    assert [suite.get("name") for suite in root] == ["runbook book.ipynb", "app to staging"]
    states = [[child.tag for child in case] for case in root[0]]
    assert states == [[], ["failure"], ["skipped"], ["failure"]]
    told = (books.home / "report.md").read_text()
    assert "✖ exit 12" in told
    assert "migrations/003\\_bad.sql" in told or "migrations/003_bad.sql" in told
    assert "| 3 | · not run |" in told


def test_characters_are_replaced_when_xml_cannot_hold_them() -> None:
    text = junit(failed(1, "a\x00b\x1b[31m]]>\ud800&<", tail="\x08x"))
    case = ET.fromstring(text.encode("utf-8", "surrogatepass")).find("*/testcase")
    assert case is not None
    assert case[0].get("message", "").startswith("a\ufffdb\ufffd[31m]]>\ufffd&<")


@pytest.mark.parametrize("steps", [1, 100, 30_000])
def test_summary_fits_and_shows_what_failed_when_messages_are_very_long(steps: int) -> None:
    text = summary(failed(steps, "x" * 100_000, "`" * 20 + "y" * 100_000), COMMENT)
    assert len(text.encode()) <= COMMENT
    assert "✖ failed" in text
    assert text.count("`" * 21) == 2, "a fence is longer than what it holds"


def test_markdown_stays_text_when_a_message_of_others_contains_it() -> None:
    made = failed(1, "| <img src=x> [a](b) @all `x` **b**")
    text = summary(made, COMMENT).replace(made.message, "", 1)
    assert "<img" not in text
    assert "**b**" not in text


def test_plan_has_a_summary_when_asked_for_one(shop: Shop) -> None:
    shop.terminal("target", "update", "app", "staging", "--protected")
    shop.terminal("deploy", "plan", "app", "--summary", "plan.md")
    text = (shop.terminal.home / "plan.md").read_text()
    assert "▲ **protected**" in text
    assert "`templedb approve " in text
    assert "CREATE TABLE users" in text


def test_job_gets_annotations_outputs_and_a_summary_when_a_migration_fails(job: Shop) -> None:
    job.migration("003_bad.sql", BAD)
    said = job.terminal("deploy", "run", "app", "--summary", code=12).out
    (error,) = commands(said)
    assert error.startswith(
        "::error file=app/migrations/003_bad.sql,line=2,title=app to staging%3A"
    )
    assert "nope" in error
    told = (job.terminal.home / "step").read_text()
    assert told.startswith("what another command said\n### app to **staging**: ✖ failed")
    output = (job.terminal.home / "output").read_text()
    assert re.search(r"exit-code<<(end-\w+)\n12\n\1\n", output)
    assert re.search(r"applied<<(end-\w+)\n2\n\1\n", output)


def test_refusal_is_an_annotation_when_it_happens_in_a_job(job: Shop) -> None:
    job.terminal("target", "update", "app", "staging", "--protected")
    said = job.run(code=20)
    (error,) = commands(said.out)
    assert error.startswith("::error title=ApprovalMissing::")


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_output_is_not_taken_as_a_workflow_command_when_a_command_prints_one(
    job: Shop, words: tuple[str, ...]
) -> None:
    lines = ["::error::x", "  ::add-mask::staging", "a ##[error]b", "##vso[task.x]y", "::stop::"]
    said = "; ".join(f"echo '{line}'" for line in lines)
    job.config({"name": "x", "deploy_command": said})
    assert commands(job.terminal("deploy", "run", "app", *words).out) == []
    job.config({"name": "x", "deploy_command": f"{said}; echo '::error::in the tail' >&2; exit 3"})
    log = job.terminal("deploy", "run", "app", *words, code=12).out
    assert [line.split(" ")[0] for line in commands(log)] == ["::error"]
    if words:
        found = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
        assert any("##[error]" in json.dumps(each) for each in found), "JSON means the same"


def test_output_is_not_taken_as_a_workflow_command_when_a_cell_prints_one(job: Shop) -> None:
    made = Runbooks(job)
    made.write("print('::error::x')\nprint('##[add-mask]staging')\nprint('\\n::x::')", "1/0")
    said = made.run(code=10)
    assert [line.split(" ")[0] for line in commands(said.out)] == ["::error"]
    assert commands(said.err) == []


RUNNER = """
import subprocess, sys
made = subprocess.run(sys.argv[2:], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
open(sys.argv[1], "wb").write(made.stdout)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="masks are for runners on Linux")
@pytest.mark.parametrize("reader", ["Runner.Worker", "another"])
def test_masks_are_given_only_when_the_reader_is_the_runner(job: Shop, reader: str) -> None:
    home = job.terminal.home
    name = home / reader
    name.symlink_to(Path(sys.executable).resolve())
    deploy = [sys.executable, "-m", "templedb_nb", "deploy", "run", "app"]
    code = f"import sys; sys.path[:0] = {sys.path!r}\n{RUNNER}"
    subprocess.run([str(name), "-c", code, str(home / "log"), *deploy], check=True, timeout=60)
    log = (home / "log").read_text()
    assert "2 migrations applied" in log
    assert (f"::add-mask::{job.pg.dsn.replace('%', '%25')}" in log) == (reader == "Runner.Worker")
    assert (HARD_PASSWORD.replace("%", "%25") in log) == (reader == "Runner.Worker")


@pytest.mark.parametrize("what", ["runbook", "deploy"])
def test_reports_are_written_when_a_job_is_killed(books: Runbooks, what: str) -> None:
    books.shop.migration("003_slow.sql", SLOW)
    books.write(LOAD, DEPLOY)
    reports = ("--junit", "report.xml", "--summary", "report.md")
    if what == "runbook":
        process = books.start("book.ipynb", "-o", "out", *reports)
    else:
        process = books.shop.terminal.process("deploy", "run", "app", *reports)
    until(books.sleeping)
    report = books.home / "report.xml"
    until(lambda: report.exists() and "001_users" in report.read_text())  # a moment behind
    process.kill()
    process.communicate()
    root = ET.parse(books.home / "report.xml").getroot()
    names = {case.get("name", ""): [c.tag for c in case] for suite in root for case in suite}
    assert names["migrations: migrations/001_users.sql"] == []
    assert "still running when this was written" in (books.home / "report.xml").read_text()
    assert "▶ running" in (books.home / "report.md").read_text()


def test_notebook_is_one_page_when_it_was_executed(books: Runbooks) -> None:
    shown = "from IPython.display import HTML\nprint(1)\nprint(2)\nHTML('<b>bold</b>')"
    books.write(LOAD, DEPLOY, shown, "%templedb status app")
    books.run("--html", "report.html")
    text = (books.home / "report.html").read_text()
    assert "2 migrations applied" in text
    assert "<b>bold</b>" in text
    assert "<pre>1\n2\n</pre>" in text, "lines are joined"
    loads = r"""(?:src|href)\s*=\s*["']?(?:https?:)?//|@import\s|import\s[^;]*?["']https?://|url\(["']?http"""
    assert re.search(loads, text) is None


def test_missing_folder_is_told_before_anything_runs_when_a_report_names_it(shop: Shop) -> None:
    said = shop.terminal("deploy", "run", "app", "--junit", "nowhere/report.xml", code=64)
    assert "there is no folder nowhere" in said.err
    assert shop.pg.tables() == []
