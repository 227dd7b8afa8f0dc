"""Which paths of a project are left out: git's rules for ``.gitignore``, and a few of our own.

``.templedbignore`` has the same syntax and is read after the ``.gitignore`` beside it, so it wins.
Beneath both stand built-in defaults, which only a ``.templedbignore`` can lift: a ``.env`` that
git tracks is still a secret. ``.git`` and ``.templedb`` are left out whatever is written.

git compares bytes. So that `re` does too, rules and names meet as Latin-1 text: one character
for each byte of their UTF-8.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache, lru_cache

from templedb_nb.model.dataclass import dataclass

GIT = ".gitignore"
OWN = ".templedbignore"
SOURCES = (GIT, OWN)

_ALWAYS = frozenset({".git", ".templedb"})
_FOLDERS = frozenset({".hg", ".svn", "node_modules", ".venv", "__pycache__"})
_NAMES = frozenset({".DS_Store", ".ipynb_checkpoints", ".env"})
_ENDINGS = (".pyc", ".duckdb", ".duckdb.wal", ".templedb-lock", ".templedb-new")
_SECRETIVE = ".env."
_FREE_OF_SECRETS = frozenset({".env.example", ".env.sample", ".env.template"})
_MAGIC = re.compile(r"[*?\[\\]")
_ANY_DEPTH = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One line of an ignore file; `by_name` compares the last segment, else the path below it."""

    glob: str
    by_name: bool
    negated: bool
    folders_only: bool

    def fits(self, name: str, path: str, *, folder: bool) -> bool:
        """Return whether the rule speaks of this very file or folder."""
        if self.folders_only and not folder:
            return False
        return bool(_compiled(self.glob).fullmatch(name if self.by_name else path))


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderRules:
    """The rules of the ignore files of one folder, last first."""

    folder: str
    rules: tuple[Rule, ...]

    def last(self, name: str, path: str, *, folder: bool) -> Rule | None:
        """Return the rule that decides here, if one does."""
        below = path[len(self.folder) :]
        return next((rule for rule in self.rules if rule.fits(name, below, folder=folder)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class IgnoreSieve:
    """Tells quickly which names the rules may speak of; it may name too many, never too few."""

    names: frozenset[str]
    endings: tuple[str, ...]
    others: re.Pattern[str]
    paths: tuple[tuple[str, int, re.Pattern[str]], ...]

    @classmethod
    def of(cls, levels: Sequence[FolderRules]) -> IgnoreSieve:
        """Sort all rules by the cheapest test of them."""
        globs = {rule.glob for level in levels for rule in level.rules if rule.by_name}
        literal = {glob for glob in globs if not _MAGIC.search(glob)}
        stars = {glob for glob in globs if glob[0] == "*" and not _MAGIC.search(glob[1:])}
        others = [_source(glob) for glob in sorted(globs - literal - stars)]
        return cls(
            names=_ALWAYS | _FOLDERS | _NAMES | literal,
            endings=(*_ENDINGS, *(glob[1:] for glob in stars)),
            others=_any([re.escape(_SECRETIVE) + ".*", *others]),
            paths=tuple(_paths(level) for level in levels if not _by_name_alone(level)),
        )

    def suspects(self, parent: str, names: Collection[str]) -> set[str]:
        """Return those of *names* in *parent* that need a closer look."""
        found = set(self.names.intersection(names))
        found.update([name for name in names if name.endswith(self.endings)])
        found.update(filter(self.others.fullmatch, names))
        for folder, reach, paths in self.paths:
            below = parent[len(folder) :]
            if below.count("/") <= reach:
                found.update([name for name in names if paths.fullmatch(below + name)])
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignore:
    """What is ignored below one folder: the rules of that folder and of all above, deepest first.

    An ignored folder is not to be entered; so nothing below it can be included again.
    """

    levels: tuple[FolderRules, ...]
    own: tuple[FolderRules, ...]
    sieve: IgnoreSieve

    @classmethod
    def by_default(cls) -> Ignore:
        """Return what is ignored where no file says anything."""
        return cls(levels=(), own=(), sieve=IgnoreSieve.of(()))

    def within(self, folder: str, texts: Mapping[str, bytes]) -> Ignore:
        """Return what holds in *folder* (``""`` or ending in ``/``), given its ignore files."""
        own = _rules(texts.get(OWN, b""))
        rules = own + _rules(texts.get(GIT, b""))
        if not rules:
            return self
        base = _bytewise(folder)
        levels = (FolderRules(folder=base, rules=rules), *self.levels)
        return Ignore(
            levels=levels,
            own=(FolderRules(folder=base, rules=own), *self.own) if own else self.own,
            sieve=IgnoreSieve.of(levels),
        )

    def ignored(self, parent: str, names: Mapping[str, bool]) -> set[str]:
        """Return which *names* in *parent* (``""`` or ending in ``/``) are left out.

        Each name comes with whether it is a folder's.
        """
        joined = parent + "".join(names)
        plain = joined.isascii() and "\n" not in joined
        suspects = self.sieve.suspects(parent, names) if plain else set(names)
        return {name for name in suspects if self._ignores(parent, name, folder=names[name])}

    def _ignores(self, parent: str, name: str, *, folder: bool) -> bool:
        if name in _ALWAYS:
            return True
        place = _bytewise(name), _bytewise(parent + name)
        last = _last(self.levels, *place, folder=folder)
        if last is not None and not last.negated:
            return True
        if not built_in(name, folder=folder):
            return False
        lifted = _last(self.own, *place, folder=folder)
        return lifted is None or not lifted.negated


def _last(levels: tuple[FolderRules, ...], name: str, path: str, *, folder: bool) -> Rule | None:
    for level in levels:
        if rule := level.last(name, path, folder=folder):
            return rule
    return None


def built_in(name: str, *, folder: bool) -> bool:
    """Return whether a file or folder of that name is left out where no rule says otherwise."""
    if name in _NAMES or (folder and name in _FOLDERS) or name.endswith(_ENDINGS):
        return True
    return name.startswith(_SECRETIVE) and name not in _FREE_OF_SECRETS


def _by_name_alone(level: FolderRules) -> bool:
    return all(rule.by_name for rule in level.rules)


def _paths(level: FolderRules) -> tuple[str, int, re.Pattern[str]]:
    """Return a level's folder, how many folders below it the rules reach, and a test of paths."""
    globs = sorted({rule.glob for rule in level.rules if not rule.by_name})
    reach = max(_ANY_DEPTH if "**" in glob else glob[1:].count("/") for glob in globs)
    return level.folder, reach, _any([_source(glob) for glob in globs])


def _bytewise(text: str) -> str:
    # A dot of a regular expression matches no newline, and no name holds a NUL.
    if not text.isascii():
        text = text.encode("utf-8", "surrogateescape").decode("latin-1")
    return text.replace("\n", "\0") if "\n" in text else text


@lru_cache(maxsize=256)
def _rules(content: bytes) -> tuple[Rule, ...]:
    """Return the rules of one ignore file, last first."""
    lines = content.removeprefix(b"\xef\xbb\xbf").decode("latin-1").split("\n")
    return tuple(rule for line in reversed(lines) if (rule := _rule(line)))


def _rule(line: str) -> Rule | None:
    line = _trimmed(line.removesuffix("\r").partition("\0")[0])
    if line.startswith("#"):
        return None
    glob = line.removeprefix("!")
    bare = glob.removesuffix("/")
    if not bare.removeprefix("/") or _source(bare) == _NEVER:
        return None
    return Rule(
        glob=bare,
        by_name="/" not in bare,
        negated=line.startswith("!"),
        folders_only=glob.endswith("/"),
    )


def _trimmed(line: str) -> str:
    """Drop trailing spaces, but for one that a backslash protects."""
    bare = line.rstrip(" ")
    backslashes = len(bare) - len(bare.rstrip("\\"))
    return bare + " " if backslashes % 2 and bare != line else bare


def _any(sources: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{source})" for source in sources))


_NEVER = "(?!)"
_STARS = re.compile(r"(?<![^/])\*{3,}(?![^/])")
_STAR = "[^/]*"
_BELOW = re.compile(r"/\*\*+\Z")
_GROUP = re.compile(r"\(\?P<\w+>")
_HELD = "\ue000"
_SPECIAL = re.compile(
    r"""
    \\(?P<escaped>.) | (?P<white>\s) |
    \[(?P<negated>[!^]?+)(?P<members>\]?+(?:\[:[^\]]{0,32}:\]|\\.|[^\]\\]){0,255}+)\]
    """,
    re.VERBOSE | re.DOTALL,
)
_MEMBER = re.compile(
    r"\[:(?P<kind>[^\]]{0,32}):\] | (?P<low>\\.|.)-(?P<high>\\.|.) | (?P<one>\\.|.)",
    re.VERBOSE | re.DOTALL,
)
_KINDS = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "blank": r" \t",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": r"!-/:-@\[-`{-~",
    "space": r" \t\r",
    "upper": "A-Z",
    "xdigit": "0-9A-Fa-f",
}


@cache
def _compiled(glob: str) -> re.Pattern[str]:
    return re.compile(_source(glob))


@cache
def _source(glob: str) -> str:
    """Return the regular expression of the names or paths that *glob* means, whole ones.

    pathspec translates folders and wildcards. It reads escapes, white space at the end and
    bracket expressions otherwise than git, so it gets a placeholder for each of them; and it
    means all that lies below a match, where we want the match alone.
    """
    from pathspec.patterns.gitignore import GitIgnorePatternError
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

    held: list[str] = []
    shown = _SPECIAL.sub(lambda found: _hold(found, held), _STARS.sub("**", glob))
    try:
        source, _ = GitIgnoreSpecPattern.pattern_to_regex("/" + shown.removeprefix("/"))
    except GitIgnorePatternError:
        source = None
    if source is None or _NEVER in held:
        return _NEVER
    first, *others = _frugal(_GROUP.sub("(?:", source)).split(_HELD)
    return _whole(first + "".join(map("".join, zip(held, others, strict=True))), glob)


def _frugal(source: str) -> str:
    """Let what stands between two stars take the first place that fits, which serves them all.

    Else a name that does not match would be tried in every way to share it among the stars.
    """
    first, *between = source.split(_STAR)
    if not between:
        return source
    *inner, last = between
    tamed = (f"{_STAR}{each}" if ".+" in each else f"(?>[^/]*?{each})" for each in inner)
    return f"{first}{''.join(tamed)}{_STAR}{last}"


def _whole(source: str, glob: str) -> str:
    found = source.removeprefix("^") if source.startswith("^") else f".*{source}"
    return f"{found}.+" if _BELOW.search(glob) and found.endswith("/") else found


def _hold(found: re.Match[str], held: list[str]) -> str:
    if found["escaped"] == "/" and found.start():
        return "/"
    literal = found["escaped"] or found["white"]
    held.append(re.escape(literal) if literal else _bracket(found))
    return _HELD


def _bracket(found: re.Match[str]) -> str:
    """Translate a bracket expression; it is never a slash, and one of an unknown kind is void."""
    members = list(_MEMBER.finditer(found["members"]))
    if any(each["kind"] is not None and each["kind"] not in _KINDS for each in members):
        return _NEVER
    inside = "".join(map(_member, members))
    if not inside:
        return "[^/]" if found["negated"] else "[^\\s\\S]"
    return f"(?!/)[{'^' if found['negated'] else ''}{inside}]"


def _member(each: re.Match[str]) -> str:
    if each["kind"] is not None:
        return _KINDS[each["kind"]]
    if each["one"]:
        return re.escape(each["one"][-1])
    low, high = each["low"][-1], each["high"][-1]
    return f"{re.escape(low)}-{re.escape(high)}" if low <= high else ""
