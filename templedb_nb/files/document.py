"""Documents that people write, as plain values: JSON, YAML or TOML; a key stands once."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Hashable
from typing import Any

from templedb_nb.errors import FilesError, InvalidConfig
from templedb_nb.files.reading import contents

STDIN = "-"
DEEPEST = 50
"""So many levels of lists and objects are read; a config has six."""
_LIKE_TOML = re.compile(r"^[^\S\n]*+(?:\[[^]\n]++\][^\S\n]*+$|[\w.\"'-]++[^\S\n]*+=)", re.MULTILINE)


def read_document(path: str, stdin: Any) -> object:
    """Return what the file at *path* says; ``-`` reads *stdin*."""
    return parse_document(read_text(path, stdin), "standard input" if path == STDIN else path)


def read_text(path: str, stdin: Any) -> str:
    """Return the text of the file at *path*; ``-`` reads *stdin*."""
    if path == STDIN:
        text = str(stdin.read())
        if not text.strip():
            raise FilesError("standard input is empty", hint="put < FILE behind the command")
        return text
    try:
        return contents(path).decode().replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise FilesError(f"{path} is not UTF-8: {error}") from None


def parse_document(text: str, name: str) -> object:
    """Return what *text* says, or raise `InvalidConfig` with the place of the mistake.

    The end of *name* says which format it is; without one of theirs, the text itself does.
    """
    try:
        found = _parsed(text, name)
    except RecursionError:
        raise _too_deep(name) from None
    if _deeper(found, DEEPEST):
        raise _too_deep(name)
    return found


def _too_deep(name: str) -> InvalidConfig:
    hint = "a list or an object that holds others so often is not a document of templedb's"
    return InvalidConfig(f"{name} is nested more than {DEEPEST} levels deep", hint=hint)


def _deeper(value: object, levels: int) -> bool:
    """Return whether lists and objects hold others for more than *levels*; aliases count once."""
    level: list[Any] = [value] if isinstance(value, dict | list) else []
    seen = set[int]()
    for _ in range(levels):
        held = [each.values() if isinstance(each, dict) else each for each in level]
        below = [inner for each in held for inner in each if isinstance(inner, dict | list)]
        level = [each for each in below if id(each) not in seen]
        seen.update(map(id, level))
    return bool(level)


def _parsed(text: str, name: str) -> object:
    end = name.rpartition(".")[2].lower()
    if end == "toml":
        return _toml(text, name)
    yaml = end in {"yaml", "yml"}
    if text.lstrip().startswith("{"):
        try:
            return _json(text, name)
        except InvalidConfig:
            if not yaml:
                raise
    if yaml:  # also an object in braces that is no JSON: {type: tcp, port: 443}
        return _yaml(text, name)
    return _told(text, name)


def _told(text: str, name: str) -> object:
    """Return what a text says that may be YAML, TOML or a list in JSON."""
    documents: list[object] = []
    complaints: dict[str, InvalidConfig] = {}
    for form, reader in (("JSON", _json), ("YAML", _yaml), ("TOML", _toml)):
        try:
            said = reader(text, name)
        except InvalidConfig as error:
            complaints[form] = error
            continue
        if isinstance(said, dict | list) and said not in documents:
            documents.append(said)
    if len(documents) > 1:
        message = f"{name} can be read as YAML and as TOML, with different results"
        raise InvalidConfig(message, hint="write it as JSON; or for TOML, begin with [groups.NAME]")
    if documents:
        return documents[0]
    likely = "TOML" if _LIKE_TOML.search(text) else "YAML"
    if likely in complaints:
        raise complaints[likely]
    raise InvalidConfig(f"{name} is not an object in JSON, YAML or TOML")


def parse_env(text: str, name: str) -> dict[str, str]:
    """Return the variables of a .env file, or raise with every bad line; no value is expanded."""
    import io

    from dotenv.parser import parse_stream

    bindings = list(parse_stream(io.StringIO(text)))
    problems = [
        f"{name}:{each.original.line}: is not NAME=VALUE"
        for each in bindings
        if each.error or (each.key is not None and each.value is None)
    ]
    if problems:
        raise InvalidConfig(f"{name} was not imported", problems=problems)
    return {each.key: each.value for each in bindings if each.key and each.value is not None}


def as_yaml(document: object) -> str:
    """Return *document* as YAML, keys in their order."""
    import yaml

    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)


def _json(text: str, name: str) -> object:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        counts = Counter(key for key, _ in pairs)
        if twice := {key for key, count in counts.items() if count > 1}:
            raise InvalidConfig(f"{name}: {', '.join(sorted(twice))} appears twice in one object")
        return dict(pairs)

    try:
        return json.loads(text, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        where = f"{name}:{error.lineno}:{error.colno}"
        raise InvalidConfig(f"{where}: not JSON: {error.msg}") from None


def _toml(text: str, name: str) -> object:
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidConfig(f"{name}: not TOML: {error}") from None


def _yaml(text: str, name: str) -> object:
    import yaml

    class Loader(yaml.SafeLoader):
        """Refuses a key that stands twice; YAML itself forbids it, PyYAML takes the last."""

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - PyYAML's own signature
            seen: set[Hashable] = set()
            for key_node, _ in node.value:
                key = self.construct_object(key_node, deep=True)
                if isinstance(key, Hashable) and key in seen:
                    line = key_node.start_mark.line + 1
                    raise InvalidConfig(f"{name}:{line}: {key} appears twice in one object")
                if isinstance(key, Hashable):
                    seen.add(key)
            return super().construct_mapping(node, deep)

    try:
        return yaml.load(text, Loader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        raise InvalidConfig(f"{where}: not YAML: {error.problem}") from None
    except (yaml.YAMLError, TypeError, ValueError) as error:
        raise InvalidConfig(f"{name}: not YAML: {error}") from None
