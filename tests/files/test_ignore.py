"""What an import leaves out: git is the judge of .gitignore, we are of the rest."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from templedb_nb.files.ignore import GIT, OWN, Ignore


def test_built_in_names_alone_are_left_out_when_no_ignore_file_exists(tmp_path):
    plant(
        tmp_path,
        *(".git/config", ".hg/x", ".svn/x", ".templedb/x", "node_modules/a/b.js", ".venv/x"),
        *("__pycache__/x", "src/x.pyc", "src/.DS_Store", ".ipynb_checkpoints/a.ipynb"),
        *("src/a.py", "node_modules.txt", "pyc"),
    )
    assert kept(tmp_path) == {"src/a.py", "node_modules.txt", "pyc"}


def test_env_files_are_left_out_and_their_examples_kept_when_scanned(tmp_path):
    plant(tmp_path, ".env", ".env.production", "a/.env", "a/.env.local", ".envrc")
    plant(tmp_path, ".env.example", ".env.sample", "a/.env.template")
    assert kept(tmp_path) == {".envrc", ".env.example", ".env.sample", "a/.env.template"}


def test_built_in_folder_name_is_kept_when_it_is_the_name_of_a_file(tmp_path):
    plant(tmp_path, "node_modules", "a/.venv")
    assert kept(tmp_path) == {"node_modules", "a/.venv"}


def test_own_ignore_file_brings_back_built_in_names_when_it_negates_them(tmp_path):
    plant(tmp_path, "node_modules/a.js", ".env", "b/x.pyc")
    (tmp_path / OWN).write_text("!node_modules/\n!.env\n!x.pyc\n")
    assert kept(tmp_path) == {"node_modules/a.js", ".env", "b/x.pyc", OWN}


def test_gitignore_brings_back_no_built_in_name_when_it_negates_them(tmp_path):
    plant(tmp_path, ".env", "node_modules/a.js", "a.txt")
    (tmp_path / GIT).write_text("!.env\n!node_modules\n!.*\n")
    assert kept(tmp_path) == {"a.txt", GIT}


def test_git_folder_and_own_state_stay_left_out_when_an_ignore_file_negates_them(tmp_path):
    plant(tmp_path, ".git", "a/.git/config", "b/.templedb/state", "c/.templedb")
    (tmp_path / OWN).write_text("!.git\n!.templedb\n!.git/\n!**\n")
    assert kept(tmp_path) == {OWN}


def test_own_ignore_file_wins_when_a_gitignore_stands_beside_it(tmp_path):
    plant(tmp_path, "a.log", "keep.log", "b.txt")
    (tmp_path / GIT).write_text("*.log\n")
    (tmp_path / OWN).write_text("!keep.log\nb.txt\n")
    assert kept(tmp_path) == {"keep.log", GIT, OWN}


def test_deeper_gitignore_wins_when_the_own_ignore_file_stands_above_it(tmp_path):
    plant(tmp_path, "a.log", "deep/a.log")
    (tmp_path / OWN).write_text("!*.log\n")
    (tmp_path / "deep" / GIT).write_text("*.log\n")
    assert kept(tmp_path) == {"a.log", f"deep/{GIT}", OWN}


def test_ignored_folder_is_not_entered_when_a_later_rule_negates_a_file_in_it(tmp_path):
    plant(tmp_path, "out/keep.txt", "out/.gitignore")
    (tmp_path / GIT).write_text("out/\n!out/keep.txt\n")
    assert kept(tmp_path) == {GIT}


def test_ignore_pattern_raises_no_error_when_re_cannot_read_it(tmp_path):
    plant(tmp_path, "a", "[z-a]", "b\\")
    (tmp_path / GIT).write_bytes(b"[z-a]\nb\\\n[[:nope:]]\n[\n\xff\xfe\n" + b"*" * 50 + b"x\n")
    assert kept(tmp_path) == {"a", "[z-a]", "b\\", GIT}


TABLE = {
    "a whitelist": ("*\n!*/\n!*.sql\n!.gitignore\n", ("a.sql", "b.txt", "x/y/c.sql", "x/d")),
    "all but one in a folder": ("a/**\n!a/keep\n", ("a/keep", "a/lose", "a/b/keep")),
    "last match wins": ("*.log\n!a.log\na.log\n", ("a.log", "b.log")),
    "anchored": ("/a\nb/c\n", ("a", "x/a", "b/c", "x/b/c")),
    "folders only": ("a/\n", ("a/x", "b/a")),
    "stars": ("**/a/b\na/**/c\nd/**\n", ("a/b", "x/a/b", "a/c", "a/x/c", "d/x", "d/y/z")),
    "three stars": ("***/x\nfoo/***\n", ("a/x", "a/b/x", "foo/a/b")),
    "escapes": ("\\#a\n\\!b\nc\\ \nd \n\\*\n", ("#a", "!b", "c ", "c", "d", "*", "e")),
    "comments and empty lines": ("# a\n\n  \na\n", ("a", "# a", " ")),
    "classes": ("[ab].x\n[!a].y\n[]-].z\n", ("a.x", "c.x", "a.y", "b.y", "].z", "-.z", "c.z")),
    "posix classes": ("[[:digit:]_]x\n", ("1x", "_x", "ax", ":x")),
    "windows lines": ("a\r\nb\r\n", ("a", "b", "a\r")),
    "a byte order mark": ("\ufeffa\n", ("a", "\ufeffa")),
    "bytes, not letters": ("?\n[é]\nvoilà\n", ("é", "e", "voilà")),
    "newlines in names": ("a\n*b\n", ("a\n", "x\nb", "c\nd/a")),
    "a class is not a slash": ("a[!x]b\nc[/]d\n", ("a/b", "a.b", "c/d")),
}


@pytest.mark.parametrize("case", TABLE)
def test_ignore_rules_agree_with_git_when_taken_from_the_table(repository, case):
    rules, files = TABLE[case]
    folder = repository / case
    plant(folder, *files)
    (folder / GIT).write_bytes(rules.encode())
    assert below(kept(repository), case) == below(listed(repository), case)


def test_ignore_rules_agree_with_git_when_gitignore_files_are_nested(repository):
    plant(repository, "a/x.log", "a/y.log", "a/b/x.log", "a/b/c/y.log", "x.log", "a/b/tmp/z")
    (repository / GIT).write_text("*.log\ntmp\n")
    (repository / "a" / GIT).write_text("!x.log\n/b/c\n")
    (repository / "a/b" / GIT).write_text("x.log\n!tmp\n")
    assert kept(repository) == listed(repository)


NAMES = st.sampled_from(["a", "b", "ab", "a.b", "x.py", " a", "!a", "#a", "a ", "*", "\\", "[a]", "é", "à", "-", "a\n"])  # fmt: skip
PIECES = st.sampled_from(["a", "b", "ab", "*", "?", "[ab]", "[!a]", "[^b]", "[a-z]", "\\a", "\\*", "\\!", "x", ".", " ", "é", "à", "[[:alpha:]]", "[\\]a]", "[]a]", "[z-a]", "[", "]", "\\", "[a/b]", "[[:foo:]]", "[a-]", "\\ ", "\t", "#", "!"])  # fmt: skip
# `**` glued to other text is left out: git says it is a plain star, and then, at times, it is not.
SEGMENTS = st.lists(PIECES, min_size=1, max_size=3).map("".join).filter(
    lambda text: "**" not in text
) | st.just("**")
RULES = st.builds(
    lambda sign, lead, segments, tail: sign + lead + "/".join(segments) + tail,
    st.sampled_from(["", "", "!"]),
    st.sampled_from(["", "", "/"]),
    st.lists(SEGMENTS, min_size=1, max_size=3),
    st.sampled_from(["", "", "/", " ", "\r"]),
)
PATHS = st.lists(st.lists(NAMES, min_size=1, max_size=4).map("/".join), min_size=1, max_size=12)
FILES = st.dictionaries(st.integers(0, 3), st.lists(RULES, min_size=1, max_size=4), max_size=3)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(paths=PATHS, files=FILES)
def test_ignore_rules_agree_with_git_when_rules_and_names_are_arbitrary(repository, paths, files):
    case = repository / "case"
    shutil.rmtree(case, ignore_errors=True)
    plant(case, *paths)
    folders = sorted(p for p in case.rglob("*") if p.is_dir())
    for n, rules in files.items():
        folder = [case, *folders][n % (len(folders) + 1)]
        (folder / GIT).write_text("\n".join(rules) + "\n")
    assert below(kept(repository), "case") == below(listed(repository), "case")


@pytest.fixture
def repository(tmp_path):
    assert shutil.which("git"), "git is the judge of these tests: install it"
    git(tmp_path, "init", "--quiet")
    return tmp_path


def git(folder, *words):
    quiet = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "HOME": str(folder)}
    done = subprocess.run(
        ["git", "-C", folder, *words], env={**os.environ, **quiet}, capture_output=True, check=True
    )
    return done.stdout


def listed(root):
    found = git(root, "ls-files", "--cached", "--others", "--exclude-standard", "-z")
    return {os.fsdecode(name) for name in found.split(b"\0") if name}


def kept(root):
    """Walk as the rules say, and return the files that stay."""
    found = set()
    waiting = [("", Ignore.by_default())]
    while waiting:
        prefix, above = waiting.pop()
        here = root / prefix
        texts = {n: (here / n).read_bytes() for n in (GIT, OWN) if (here / n).is_file()}
        ignore = above.within(prefix, texts)
        names = {entry.name: entry.is_dir() for entry in here.iterdir()}
        for name in names.keys() - ignore.ignored(prefix, names):
            if names[name]:
                waiting.append((f"{prefix}{name}/", ignore))
            else:
                found.add(prefix + name)
    return found


def below(paths, folder):
    return {path for path in paths if path.startswith(f"{folder}/")}


def plant(root, *paths):
    """Write files; a path that another one blocks is left out."""
    root.mkdir(parents=True, exist_ok=True)
    for path in paths:
        file = Path(f"{root}/{path}")
        if any(parent.is_file() for parent in file.parents) or file.is_dir():
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
