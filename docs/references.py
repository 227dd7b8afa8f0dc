"""Writes the generated parts of the documents from the code that they speak of.

A part stands between ``<!-- generated: NAME -->`` and ``<!-- end -->``. Without arguments every
part is written anew; ``--check`` writes nothing, and fails where one is not current.
"""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import json
import re
import sys
import typing
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

import click

from templedb_nb import api
from templedb_nb.api_promotion import ApprovalMethods, PromotionMethods
from templedb_nb.api_rollback import RollbackMethods
from templedb_nb.commands.tree import tree
from templedb_nb.core.config import document, lifecycle_keys, project_file
from templedb_nb.core.config.lifecycle_keys import Stages
from templedb_nb.core.config.pending_alert_key import AlertAfter
from templedb_nb.core.health.outcomes import OUTCOMES
from templedb_nb.core.values import schema
from templedb_nb.core.windows import rules
from templedb_nb.failpoints import PLACES
from templedb_nb.model.approval import Approval
from templedb_nb.model.event import Event, Passing, StepFailed
from templedb_nb.model.finding import Finding
from templedb_nb.model.history import RunRow
from templedb_nb.model.lifecycle import Lifecycle
from templedb_nb.model.plan import Preview
from templedb_nb.model.result import Result
from templedb_nb.model.status import TargetStatus, Tracked
from templedb_nb.model.step_result import StepResult

FOLDER = Path(__file__).parent
WIDE = 80
VALUES = (Preview, Finding, Approval, Result, StepResult, StepFailed, TargetStatus, Tracked, RunRow)
PART = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def current(text: str) -> str:
    """Return *text* with every generated part as it should be."""
    return PART.sub(lambda found: f"{found[1]}\n{PARTS[found[2]]()}\n\n{found[3]}", text)


def main(words: Sequence[str]) -> int:
    """Write the parts, or compare them."""
    stale = 0
    for page in sorted(FOLDER.rglob("*.md")):
        text = page.read_text(encoding="utf-8")
        wanted = current(text)
        if text == wanted:
            continue
        stale += 1
        if "--check" in words:
            names = (f"{page} as it is", "as the code says")
            lines = (text.splitlines(keepends=True), wanted.splitlines(keepends=True))
            sys.stdout.writelines(difflib.unified_diff(*lines, *names))
        else:
            page.write_text(wanted, encoding="utf-8")
            print(f"written: {page.relative_to(FOLDER.parent)}")
    if stale and "--check" in words:
        print("hint: scripts/references")
        return 1
    return 0


# --- commands ---------------------------------------------------------------------------------


def commands() -> str:
    """Return the reference of the command tree."""
    shared = _shared_options()
    parts = [
        "Every command has these options, and `-h, --help`:",
        _options_table(shared),
        "## templedb",
    ]
    parts.append(_help(tree))
    parts.append(_options_table(_options(tree)))
    for command, path in _walk(tree, "templedb"):
        level = "##" if path.count(" ") == 1 else "###"
        parts.append(f"{level} {path.removeprefix('templedb ')}")
        if isinstance(command, click.Group):
            parts.append(_help(command))
            continue
        parts += [f"`{_usage(command, path)}`", _help(command)]
        options = [each for each in _options(command) if each.opts not in [s.opts for s in shared]]
        parts += [_options_table(options)] if options else []
    return "\n\n".join(part for part in parts if part)


def _walk(group: click.Group, path: str) -> Iterator[tuple[click.Command, str]]:
    for name, command in group.commands.items():
        yield command, f"{path} {name}"
        if isinstance(command, click.Group):
            yield from _walk(command, f"{path} {name}")


def _leaves() -> list[click.Command]:
    return [each for each, _ in _walk(tree, "") if not isinstance(each, click.Group)]


def _shared_options() -> list[click.Option]:
    first, *others = [_options(each) for each in _leaves()]
    return [o for o in first if all(o.opts in [each.opts for each in other] for other in others)]


def _options(command: click.Command) -> list[click.Option]:
    context = click.Context(command)
    found = command.get_params(context)
    told = [each for each in found if isinstance(each, click.Option) and not each.hidden]
    return [each for each in told if "--help" not in each.opts]


def _usage(command: click.Command, path: str) -> str:
    context = click.Context(command)
    words = [
        each.make_metavar(context) for each in command.params if isinstance(each, click.Argument)
    ]
    return " ".join([path, *words, "[OPTIONS]"])


def _help(command: click.Command) -> str:
    """Return a command's help as Markdown; a paragraph that keeps its lines holds examples."""
    told = f"{inspect.cleandoc(command.help or '')}\n\n{inspect.cleandoc(command.epilog or '')}"
    paragraphs = told.strip().split("\n\n")
    return "\n\n".join(_paragraph(each) for each in paragraphs)


def _paragraph(text: str) -> str:
    if not text.startswith("\b\n"):
        return _linked(" ".join(text.split()))
    title, *lines = text.removeprefix("\b\n").splitlines()
    code = "\n".join(line.strip() for line in lines if line.strip())
    return f"{title}\n\n```bash no-run: a test reads these by the tree\n{code}\n```"


def _linked(text: str) -> str:
    return re.sub(r"(--[a-z][a-z-]*)", r"`\1`", text).replace("``", "`")


def _options_table(options: Iterable[click.Option]) -> str:
    rows = [(_option(each), _cell(_linked(_said(each)))) for each in options]
    return _table(("option", "what it does"), rows)


def _option(option: click.Option) -> str:
    names = [*option.opts, *option.secondary_opts]
    value = "" if option.is_flag else f" {option.make_metavar(click.Context(tree))}"
    return f"`{', '.join(names)}{value}`".replace("|", "\\|")


def _said(option: click.Option) -> str:
    notes = []
    if option.required:
        notes.append("required")
    if option.multiple:
        notes.append("repeatable")
    if option.show_default and isinstance(option.default, str | int) and not option.is_flag:
        notes.append(f"default: {option.default}")
    told = option.help or ""
    return f"{told} ({'; '.join(notes)})" if notes and "repeatable" not in told else told


# --- config -----------------------------------------------------------------------------------


def project() -> str:
    """Return the reference of a whole document."""
    return _object(project_file.DOCUMENT)


def group() -> str:
    """Return the reference of a group."""
    return _object(document.GROUP)


def hook() -> str:
    """Return the reference of a hook."""
    return _object(document.HOOK)


def health_check() -> str:
    """Return the reference of a health check."""
    return _object(document.HEALTH_CHECK)


def artifact() -> str:
    """Return the reference of an artifact."""
    return _object(document.ARTIFACT)


def expect_json() -> str:
    """Return the reference of an expectation of JSON."""
    return _object(document.EXPECT_JSON)


def promotion_gates() -> str:
    """Return the reference of what must be true before a promotion."""
    return _object(lifecycle_keys.GATES)


def outcomes() -> str:
    """Return what each cause says of a target's health."""
    rows = [
        (f"`{cause.value}`", found.value, _cell(meaning))
        for cause, (found, meaning) in OUTCOMES.items()
    ]
    return _table(("cause", "outcome", "what was seen"), rows)


def target() -> str:
    """Return the reference of a target."""
    return _object(project_file.TARGET)


def windows() -> str:
    """Return the reference of a target's deployment windows."""
    return _object(rules.WINDOWS)


def window() -> str:
    """Return the reference of a rule of deployment windows."""
    return _object(rules.RULE)


def _object(found: schema.Object) -> str:
    rows = [
        (f"`{key.name}`", _kind(key.shape), _default(key), _cell(_linked(key.doc)))
        for key in found.keys
    ]
    return _table(("key", "value", "default", "what it says"), rows)


def _kind(found: schema.Shape) -> str:  # noqa: C901, PLR0912 - a case a shape
    match found:
        case schema.Text():
            return _WORDS.get(found, "word" if found.says else "text")
        case schema.WholeNumber(least=least, most=most):
            return f"whole number, {least} {f'to {most}' if most is not None else 'or more'}"
        case schema.Duration(least=least):
            return f"duration, {least} s or more" if least else "duration"
        case schema.ByteSize():
            return "bytes: whole number, `500MB`, `2GiB`"
        case schema.Scalar():
            return "text, number, `true` or `false`"
        case schema.Flag():
            return "`true` or `false`"
        case schema.Choice(words=words):
            return ", ".join(f"`{word.value}`" for word in words)
        case schema.ListOf(item=item, single=single):
            return f"list of {_plural(_kind(item))}{'; or one alone' if single else ''}"
        case schema.PairsOf(name=name, item=item):
            return f"object: {_kind(name)} to {_kind(item)}"
        case schema.TextOr(key=key, long=long):
            return f"{_kind(long)}, or a text: its `{key}`"
        case schema.Object():
            return _PLACES[id(found)]
        case AlertAfter():
            return "duration or `off`, or object: name to duration or `off`"
        case Stages():
            return "list of names or of lists of names, or object: name to names"
        case _:
            raise TypeError(f"the reference cannot name a {type(found).__name__}")


def _plural(kind: str) -> str:
    return f"{kind}s" if kind in {"text", "name", "variable"} else f"items, each {kind}"


_WORDS = {document.NAME: "name", document.VARIABLE: "variable"}


_PLACES = {
    id(document.HOOK): "a [hook](#hook)",
    id(document.ARTIFACT): "an [artifact](#artifact)",
    id(document.HEALTH_CHECK): "a [health check](#health-check)",
    id(document.EXPECT_JSON): "an [expectation of JSON](#expectation-of-json)",
    id(document.GROUP): "a [group](#group)",
    id(rules.WINDOWS): "[deployment windows](#deployment-windows)",
    id(rules.RULE): "a [rule](#deployment-windows)",
    id(lifecycle_keys.GATES): "[promotion gates](#promotion-gates)",
    id(project_file.TARGET): "a [target](#target)",
}


def _default(key: schema.Key) -> str:
    match key.default:
        case schema.REQUIRED:
            return "required"
        case Enum() as word:
            return f"`{word.value}`"
        case bool() as flag:
            return f"`{str(flag).lower()}`"
        case None | "" | () | Lifecycle():
            return ""
        case tuple() as several:
            return ", ".join(f"`{each}`" for each in several)
        case other:
            return f"`{other}`"


# --- events -----------------------------------------------------------------------------------


def events() -> str:
    """Return the table of the kinds of events, with their fields."""
    kept = set(typing.get_args(Event)) - set(typing.get_args(Passing))
    rows = [
        (
            f"`{each.kind}`",
            "yes" if each in kept else "no",
            _cell(_first_paragraph(each)),
            ", ".join(f"`{field.name}`" for field in dataclasses.fields(each)),
        )
        for each in typing.get_args(Event)
    ]
    return _table(("kind", "kept", "what became true", "fields"), rows)


def _first_paragraph(thing: Any) -> str:
    return " ".join(inspect.cleandoc(thing.__doc__ or "").split("\n\n")[0].split())


# --- Python -----------------------------------------------------------------------------------


def methods() -> str:
    """Return the reference of the Python API: each method, and `frame`."""
    members = {**vars(api.Temple), **vars(RollbackMethods), **vars(PromotionMethods)}
    members |= vars(ApprovalMethods)
    public = [each for name, each in members.items() if not name.startswith("_")]
    return "\n\n".join(_function(getattr(each, "__func__", each)) for each in (*public, api.frame))


def _function(function: Any) -> str:
    signature = inspect.signature(function)
    words = [_parameter(each) for each in signature.parameters.values()]
    if first := next(
        (
            n
            for n, each in enumerate(signature.parameters.values())
            if each.kind is each.KEYWORD_ONLY
        ),
        0,
    ):
        words.insert(first, "*")
    own = [each for each in words if each not in {"self", "cls"}]
    line = f"{function.__name__}({', '.join(own)}) -> {signature.return_annotation}"
    if len(line) > WIDE:
        inside = "".join(f"    {each},\n" for each in own)
        line = f"{function.__name__}(\n{inside}) -> {signature.return_annotation}"
    fenced = f"```python no-run: a signature alone\ndef {line}: ...\n```"
    return f"### {function.__name__}\n\n{fenced}\n\n{_prose(function)}"


def _parameter(found: inspect.Parameter) -> str:
    if found.annotation is found.empty:
        return found.name
    value = json.dumps(found.default) if isinstance(found.default, str) else repr(found.default)
    default = "" if found.default is found.empty else f" = {value}"
    hint = found.annotation.replace("'", '"')  # as the formatter has it
    return f"{found.name}: {hint}{default}"


def values() -> str:
    """Return what the values have that the methods return."""
    return "\n\n".join(_value_of(each) for each in VALUES)


def _value_of(kind: Any) -> str:
    fields = [(name, each) for name, each in kind.__annotations__.items() if "ClassVar" not in each]
    rows = [(f"`{name}`", _cell(f"`{hint}`")) for name, hint in fields]
    own = [name for name, each in vars(kind).items() if isinstance(each, property)]
    rows += [(f"`{name}`", f"computed: {_prose(getattr(kind, name))}") for name in own]
    return f"### {kind.__name__}\n\n{_prose(kind)}\n\n{_table(('field', 'type'), rows)}"


def _prose(thing: Any) -> str:
    return inspect.cleandoc(thing.__doc__ or "").replace("``", "`")


# --- failpoints -------------------------------------------------------------------------------


def failpoints() -> str:
    """Return the table of the places at which a rehearsal may break a run."""
    rows = [(f"`{name}`", _cell(what)) for name, what in PLACES.items()]
    return _table(("place", "what is true there"), rows)


# --- tables -----------------------------------------------------------------------------------


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


PARTS: dict[str, Callable[[], str]] = {
    each.__name__: each
    for each in (
        commands, project, group, hook, artifact, health_check, expect_json, promotion_gates,
        outcomes, target, windows, window, events, methods, values, failpoints,
    )
}  # fmt: skip

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
