"""What must not be checked in with a notebook is found, and taken out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import HARD_PASSWORD, Shop
from tests.runbook.test_runbook import notebook

TOKEN = "t0ken-of-a-job/&<x>"


def with_output(path: Path, *texts: Any) -> None:
    """Give the first cell outputs, as a kernel would."""
    body = json.loads(path.read_text())
    body["cells"][0]["execution_count"] = 3
    body["cells"][0]["outputs"] = [
        {"output_type": "display_data", "data": {"text/plain": text}, "metadata": {}}
        for text in texts
    ]
    body["metadata"]["widgets"] = {"state": {"a": 1}}
    path.write_text(json.dumps(body))


def check(shop: Shop, *words: str, code: int = 10) -> str:
    said = shop.terminal("notebook", "check", "book.ipynb", *words, code=code)
    assert TOKEN not in said.all
    assert HARD_PASSWORD not in said.all
    return said.out


@pytest.fixture
def book(shop: Shop) -> Path:
    shop.terminal.set(DEPLOY_TOKEN=TOKEN)
    return shop.terminal.home / "book.ipynb"


@pytest.mark.parametrize(
    ("source", "what"),
    [
        (f"x = {TOKEN!r}", "the value of DEPLOY_TOKEN"),
        ("url = 'postgresql://app:s3cr3t-word@db/app'", "a URL with a password"),
        ("key = '''-----BEGIN OPENSSH PRIVATE KEY-----'''", "a private key"),
        ("t = 'ghp_" + "a" * 36 + "'", "a token of GitHub"),
    ],
)
def test_secret_is_found_with_its_line_when_it_stands_in_a_source(
    shop: Shop, book: Path, source: str, what: str
) -> None:
    notebook(book, "1", f"# line one\n{source}")
    said = check(shop)
    assert what in said
    row = next(line for line in said.splitlines() if what in line).split()
    assert row[1:4] == ["2", "source", "2"]


def test_value_of_a_variable_is_found_when_an_output_holds_it_anywhere(
    shop: Shop, book: Path
) -> None:
    notebook(book, "1")
    with_output(book, f"connected to {shop.pg.dsn}", ["in ", "pieces ", shop.pg.dsn])
    assert "the value of DATABASE_URL" in check(shop)


@pytest.mark.parametrize(
    "source",
    ["url = 'postgresql://app@db/app'", "url = f'postgresql://app:{word}@db/app'", "x = 'http://a:80/b@c'"],
)  # fmt: skip
def test_check_finds_nothing_when_a_source_holds_no_secret(
    shop: Shop, book: Path, source: str
) -> None:
    notebook(book, source)
    assert "nothing found" in check(shop, code=0)


def test_outputs_are_findings_when_none_are_wanted(shop: Shop, book: Path) -> None:
    notebook(book, "1", "2")
    with_output(book, "harmless")
    check(shop, code=0)
    assert "it is kept" in check(shop, "--outputs")


def test_scrub_takes_out_what_kernels_wrote_when_a_notebook_has_outputs(
    shop: Shop, book: Path
) -> None:
    limit = {"c0": {"templedb": {"timeout": "5m", "state": "ok", "seconds": 1}}}
    notebook(book, "print(1)", ("2", "parameters"), **limit)
    with_output(book, shop.pg.dsn)
    assert "scrubbed: book.ipynb" in shop.terminal("notebook", "scrub", "book.ipynb").out
    body = json.loads(book.read_text())
    assert body["cells"][0]["outputs"] == []
    assert body["cells"][0]["execution_count"] is None
    assert body["cells"][0]["metadata"]["templedb"] == {"timeout": "5m"}
    assert body["cells"][1]["metadata"]["tags"] == ["parameters"]
    assert "widgets" not in body["metadata"]
    assert "nothing found" in check(shop, "--outputs", code=0)
    before = book.stat().st_mtime_ns
    shop.terminal("notebook", "scrub", "book.ipynb")
    assert book.stat().st_mtime_ns == before, "what is clean is left alone"


def test_scrub_masks_outputs_and_leaves_the_source_alone_when_outputs_are_kept(
    shop: Shop, book: Path
) -> None:
    notebook(book, f"x = {TOKEN!r}")
    with_output(book, f"said {TOKEN}", "harmless")
    said = shop.terminal("notebook", "scrub", "--keep-outputs", "book.ipynb", code=10)
    assert "remove it" in said.out
    body = json.loads(book.read_text())
    assert "".join(body["cells"][0]["source"]) == f"x = {TOKEN!r}"
    told = [each["data"]["text/plain"] for each in body["cells"][0]["outputs"]]
    assert ["".join(each) for each in told] == ["said ***[DEPLOY_TOKEN]", "harmless"]


def test_notebook_is_refused_and_not_written_when_it_is_broken(shop: Shop, book: Path) -> None:
    book.write_text("{")
    assert "is not a notebook" in shop.terminal("notebook", "check", "book.ipynb", code=78).err
    shop.terminal("notebook", "scrub", "book.ipynb", code=78)
    assert book.read_text() == "{"


def test_notebook_is_refused_before_a_kernel_starts_when_a_cell_has_half_a_character(
    shop: Shop, book: Path
) -> None:
    notebook(book, "print(1)", "half = '\ud83d'")
    said = shop.terminal("runbook", "run", "book.ipynb", code=78)
    assert "cell 2 has half of a surrogate pair" in said.err
