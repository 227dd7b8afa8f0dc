"""What CI is told of a run that waits for a person: it has neither succeeded nor failed."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.app.slots.test_blue_green import Slots, slots  # noqa: F401 - a fixture
from tests.conftest import MIGRATIONS, Shop


def counts(path: Path) -> tuple[str | None, str | None, str | None]:
    root = ET.fromstring(path.read_text())
    return root.get("failures"), root.get("errors"), root.get("skipped")


def test_run_that_waits_for_a_person_is_skipped_in_junit(
    slots: Slots,  # noqa: F811 - the fixture
    tmp_path: Path,
) -> None:
    slots.write(promote="manual")
    report = tmp_path / "junit.xml"
    slots.terminal("project", "import", "app", code=None)
    slots.terminal("deploy", "run", "app", "--target", "prod", "--junit", str(report), code=20)
    assert counts(report)[:2] == ("0", "0")
    root = ET.fromstring(report.read_text())
    told = [each.get("message") or "" for each in root.iter("skipped")]
    assert any("a person must approve the switch" in each for each in told)
    assert any(each.startswith("waits for a person: ") for each in told)


def test_runbook_that_lacks_an_approval_is_skipped_in_junit(shop: Shop, tmp_path: Path) -> None:
    nbformat = pytest.importorskip("nbformat")
    shop.terminal("target", "update", "app", "staging", "--protected")
    book = nbformat.v4.new_notebook()
    book.cells = [
        nbformat.v4.new_code_cell("%load_ext templedb_nb"),
        nbformat.v4.new_code_cell("%templedb deploy run app --target staging"),
        nbformat.v4.new_code_cell("print('later')"),
    ]
    path = tmp_path / "deploy.ipynb"
    nbformat.write(book, path)
    report = tmp_path / "junit.xml"
    shop.terminal("runbook", "run", str(path), "--junit", str(report), code=20)
    assert counts(report)[:2] == ("0", "0")
    assert "approval" in report.read_text()


def test_run_that_failed_is_still_a_failure_in_junit(shop: Shop, tmp_path: Path) -> None:
    shop.config(MIGRATIONS)
    shop.migration("003.sql", "SELECT nope;")
    report = tmp_path / "junit.xml"
    shop.run("--junit", str(report), code=None)
    failures, errors, _ = counts(report)
    assert (failures, errors) == ("2", "0")
