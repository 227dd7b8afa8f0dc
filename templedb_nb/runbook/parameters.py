"""Parameters: declared as literals in one cell, given as words, a file or the environment."""

from __future__ import annotations

import ast
import difflib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from templedb_nb.errors import ConfigError, UsageProblem
from templedb_nb.model.runbook import Parameter
from templedb_nb.runbook.notebook import PARAMETERS, Notebook, tags

PREFIX = "TEMPLEDB_PARAM_"
_TYPES = {"str": str, "int": int, "float": float, "bool": bool, "list": list, "dict": dict}
_TRUE = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def declared(notebook: Notebook) -> dict[str, Parameter]:
    """Return what the cell tagged ``parameters`` declares; it is read, and never executed."""
    cells = [(n, cell) for n, cell in notebook.code() if PARAMETERS in tags(cell)]
    if len(cells) > 1:
        numbers = ", ".join(str(n) for n, _ in cells)
        raise ConfigError(f"several cells are tagged {PARAMETERS}: {numbers}")
    if not cells:
        return {}
    number, cell = cells[0]
    try:
        tree = ast.parse(cell["source"])
    except SyntaxError as error:
        where = f"line {error.lineno}: {error.msg}"
        raise ConfigError(f"cell {number}, tagged {PARAMETERS}, is not Python: {where}") from None
    found, problems = {}, []
    for statement in tree.body:
        try:
            for each in _declaration(statement):
                found[each.name] = each
        except ValueError:
            problems.append(f"line {statement.lineno}: {ast.unparse(statement)[:60]}")
    if problems:
        message = f"cell {number}, tagged {PARAMETERS}, holds more than names with literals"
        raise ConfigError(message, problems=problems, hint="move the rest into a later cell")
    return found


def _declaration(statement: ast.stmt) -> tuple[Parameter, ...]:
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            kind = ""
        case ast.AnnAssign(
            target=ast.Name(id=name), annotation=annotation, value=ast.expr() as value
        ):
            kind = _annotated(annotation)
        case ast.Expr(value=ast.Constant(value=str())):
            return ()
        case _:
            raise ValueError(statement)
    default = ast.literal_eval(value)
    own = type(default).__name__
    if default is None:
        own = ""
    elif own not in _TYPES:
        raise ValueError(statement)
    return (Parameter(name=name, type=kind or own, default=repr(default)),)


def _annotated(annotation: ast.expr) -> str:
    named = ast.unparse(annotation).replace("None", "").strip("| ").partition("[")[0]
    return named if named in _TYPES else ""


def settled(
    declared: Mapping[str, Parameter],
    words: Sequence[str],
    document: object,
    environ: Mapping[str, str],
) -> dict[str, Any]:
    """Return the values that were given, typed as declared; every problem comes at once.

    A word ``name=value`` counts before the file, and the file before the environment, where
    ``TEMPLEDB_PARAM_NAME`` is the parameter ``name``.
    """
    problems: list[str] = []
    values: dict[str, Any] = {}
    upper = {name.upper(): name for name in declared}
    for key in sorted(each for each in environ if each.startswith(PREFIX)):
        name = upper.get(key.removeprefix(PREFIX), key.removeprefix(PREFIX).lower())
        _take(values, declared, name, environ[key], f"{key} of the environment", problems)
    if document is not None and not isinstance(document, dict):
        problems.append("the file of parameters contains no names with values")
    elif document is not None:
        for name, value in document.items():
            _take(values, declared, str(name), value, "the file", problems)
    given: set[str] = set()
    for word in words:
        name, equals, text = word.partition("=")
        if not equals:
            problems.append(f"{word}: write {word}=VALUE")
            continue
        if name in given:
            problems.append(f"{name} is given twice")
        given.add(name)
        _take(values, declared, name, text, f"-p {name}", problems)
    if problems:
        names = ", ".join(f"{each.name} ({each.type or 'any'})" for each in declared.values())
        message = "the parameters do not fit the runbook; nothing was executed"
        hint = f"it declares {names}" if declared else "it declares none: tag a cell `parameters`"
        raise UsageProblem(message, problems=problems, hint=hint)
    return values


def _take(
    values: dict[str, Any],
    known: Mapping[str, Parameter],
    name: str,
    given: object,
    where: str,
    problems: list[str],
) -> None:
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        also = f"; did you mean {close[0]}?" if close else ""
        problems.append(f"{where}: the runbook has no parameter {name}{also}")
        return
    kind = known[name].type
    try:
        values[name] = _read(kind, given) if isinstance(given, str) else _checked(kind, given)
    except ValueError:
        a = "an" if kind == "int" else "a"
        problems.append(f"{where}: {name} is {a} {kind}, but {given!r} is not one")


def _read(kind: str, text: str) -> object:
    """Return the value that *text* stands for."""
    match kind:
        case "str":
            return text
        case "bool":
            if text.lower() not in _TRUE:
                raise ValueError(text)
            return _TRUE[text.lower()]
        case "int" | "float":
            return _checked(kind, _TYPES[kind](text))
        case "":
            return _loose(text)
        case _:
            return _checked(kind, _loose(text))


def _loose(text: str) -> object:
    for reader in (json.loads, ast.literal_eval):
        try:
            return reader(text)
        except (ValueError, SyntaxError):
            continue
    return text


def _checked(kind: str, value: object) -> object:
    """Return *value* if it is of that type; a whole number may stand for a float."""
    if kind == "float" and type(value) is int:
        return float(value)
    if kind and type(value) is not _TYPES[kind]:
        raise ValueError(value)
    if value != value:  # noqa: PLR0124 - NaN has no literal
        raise ValueError(value)
    return ast.literal_eval(repr(value))


def source(values: Mapping[str, Any]) -> str:
    """Return the cell that gives *values* to the notebook."""
    return "\n".join(["# Parameters", *(f"{name} = {value!r}" for name, value in values.items())])
