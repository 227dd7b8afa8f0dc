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
from pathlib import Path
from typing import Any

import click
import config_references
import measured_effects
from tables import cell, linked, table

from templedb_nb import api
from templedb_nb.api_promotion import ApprovalMethods, PromotionMethods
from templedb_nb.api_rollback import RollbackMethods, SlotMethods
from templedb_nb.commands.tree import tree
from templedb_nb.failpoints import PLACES
from templedb_nb.model.approval import Approval
from templedb_nb.model.event import Event, Passing, StepFailed
from templedb_nb.model.finding import Finding
from templedb_nb.model.history import RunRow
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
        return linked(" ".join(text.split()))
    title, *lines = text.removeprefix("\b\n").splitlines()
    code = "\n".join(line.strip() for line in lines if line.strip())
    return f"{title}\n\n```bash no-run: a test reads these by the tree\n{code}\n```"


def _options_table(options: Iterable[click.Option]) -> str:
    rows = [(_option(each), cell(linked(_said(each)))) for each in options]
    return table(("option", "what it does"), rows)


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


def events() -> str:
    """Return the table of the kinds of events, with their fields."""
    kept = set(typing.get_args(Event)) - set(typing.get_args(Passing))
    rows = [
        (
            f"`{each.kind}`",
            "yes" if each in kept else "no",
            cell(_first_paragraph(each)),
            ", ".join(f"`{field.name}`" for field in dataclasses.fields(each)),
        )
        for each in typing.get_args(Event)
    ]
    return table(("kind", "kept", "what became true", "fields"), rows)


def _first_paragraph(thing: Any) -> str:
    return " ".join(inspect.cleandoc(thing.__doc__ or "").split("\n\n")[0].split())


# --- Python -----------------------------------------------------------------------------------


def methods() -> str:
    """Return the reference of the Python API: each method, and `frame`."""
    members = {**vars(api.Temple), **vars(RollbackMethods), **vars(PromotionMethods)}
    members |= {**vars(ApprovalMethods), **vars(SlotMethods)}
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
    rows = [(f"`{name}`", cell(f"`{hint}`")) for name, hint in fields]
    own = [name for name, each in vars(kind).items() if isinstance(each, property)]
    rows += [(f"`{name}`", f"computed: {_prose(getattr(kind, name))}") for name in own]
    return f"### {kind.__name__}\n\n{_prose(kind)}\n\n{table(('field', 'type'), rows)}"


def _prose(thing: Any) -> str:
    return inspect.cleandoc(thing.__doc__ or "").replace("``", "`")


# --- failpoints -------------------------------------------------------------------------------


def failpoints() -> str:
    """Return the table of the places at which a rehearsal may break a run."""
    rows = [(f"`{name}`", cell(what)) for name, what in PLACES.items()]
    return table(("place", "what is true there"), rows)


# --- tables -----------------------------------------------------------------------------------


PARTS: dict[str, Callable[[], str]] = {
    each.__name__: each
    for each in (
        commands, *config_references.PARTS, events, methods, values, failpoints,
    )
}  # fmt: skip
PARTS |= measured_effects.PARTS

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
