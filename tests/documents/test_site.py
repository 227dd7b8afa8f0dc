"""The site of the documents: it builds offline, its search finds pages, its order is that of a reader."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.documents.page import ROOT

DOCS = ROOT / "docs"
CAPTIONS = [
    "Start", "Deploy", "Review", "Recover", "Automate", "Adopt", "Operate", "Reference", "Internals"
]  # fmt: skip
"""The order in which people need the documents."""
INCLUDED = {"index.md", "changelog.md", "contributing.md"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site once, without a network."""
    folder = tmp_path_factory.mktemp("site")
    (Path(sys.prefix) / ".templedb-docs").touch()  # this very environment has it
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), "http://127.0.0.1:9")
    done = subprocess.run(
        [ROOT / "scripts" / "docs", str(folder)],
        env={**os.environ, **nowhere, "VENV": sys.prefix},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_site_builds_and_loads_nothing_from_a_network_when_no_network_is_there(site: Path) -> None:
    made = list(site.rglob("*.html"))
    assert len(made) > len(list((ROOT / "docs").rglob("*.md"))) - 1
    fetched = re.compile(
        r'<(?:script|img|iframe|source)[^>]+src(?:set)?="(?:https?:)?//|<link[^>]+href="(?:https?:)?//'
    )
    assert [page.name for page in made if fetched.search(page.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize(
    ("stems", "page"),
    [
        ("rollback", "howto/rolling-back"),
        ("rollback", "howto/rolling-back-a-release"),
        ("undo", "howto/rolling-back"),
        ("revert", "howto/rolling-back"),
        ("blue green", "howto/health"),
        ("blue green", "howto/blue-green"),
        ("nginx", "howto/blue-green"),
        ("canari", "howto/health"),
        ("health", "howto/health"),
        ("secret", "howto/secrets"),
        ("password", "howto/secrets"),
        ("promot", "deployment"),
        ("promot", "howto/promoting-a-release"),
        ("window", "howto/deployment-windows"),
        ("artifact", "howto/artifacts"),
        ("notif", "howto/notifications"),
        ("approv", "howto/approvals"),
        ("monorepo", "howto/monorepos"),
    ],
)
def test_site_search_finds_the_page_when_asked_with_common_words(
    site: Path, stems: str, page: str
) -> None:
    """The index holds stems: `promot` is what a reader's `promote` and `promotion` become."""
    text = (site / "searchindex.js").read_text(encoding="utf-8")
    index = json.loads(text.removeprefix("Search.setIndex(").removesuffix(")"))
    number = index["docnames"].index(page)
    for stem in stems.split():
        found = [index[part].get(stem, []) for part in ("terms", "titleterms")]
        assert any(number in _listed(each) for each in found), stem


def _listed(documents: int | list[int]) -> list[int]:
    return documents if isinstance(documents, list) else [documents]


def test_terminal_picture_shows_a_real_run_when_recorded(tmp_path: Path) -> None:
    (Path(sys.prefix) / ".templedb-docs").touch()
    words = [ROOT / "scripts" / "recording", str(tmp_path)]
    environ = {**os.environ, "VENV": sys.prefix, "XDG_CONFIG_HOME": str(tmp_path)}
    subprocess.run(words, env=environ, check=True, capture_output=True)
    made = (tmp_path / "terminal-dark.svg").read_text(encoding="utf-8").replace("&#160;", " ")
    assert "3 migrations applied" in made
    assert "url(" not in made.replace("url(#", "")


def test_documents_are_all_listed_under_the_captions_in_order() -> None:
    parts = re.findall(
        r"```\{toctree\}\n:hidden:\n:caption: (\w+)\n\n(.*?)```",
        (DOCS / "index.md").read_text(encoding="utf-8"),
        re.DOTALL,
    )
    assert [caption for caption, _ in parts] == CAPTIONS
    listed = [page for _, pages in parts for page in pages.split()]
    there = {
        str(path.relative_to(DOCS).with_suffix(""))
        for path in DOCS.rglob("*.md")
        if path.parent.name != "decisions"
    }
    assert sorted(listed) == sorted(there - {"index"} | {"decisions/index"})


def test_every_document_begins_with_the_question_it_answers() -> None:
    for path in DOCS.rglob("*.md"):
        if path.parent.name == "decisions" or path.name in INCLUDED:
            continue
        lines = [e for e in path.read_text().splitlines() if e and not e.startswith("<!--")]
        assert lines[0].startswith("# "), path
        assert re.fullmatch(r"\*.+\?\*", lines[1]), f"{path}: {lines[1]}"


def test_changelog_has_no_duplicate_entry_or_heading() -> None:
    """Merges of two branches that both wrote it leave such."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    for release in text.split("\n## ")[1:]:
        firsts = Counter(line[:90] for line in release.splitlines() if line.startswith("- "))
        assert [line for line, times in firsts.items() if times > 1] == []
        for part in release.split("\n### "):
            headings = Counter(re.findall(r"^#### .*", part, re.MULTILINE))
            assert [line for line, times in headings.items() if times > 1] == []
        assert re.findall(r"^#+ .*\n(?!\n)", release, re.MULTILINE) == [], (
            "a heading wants a blank line"
        )
