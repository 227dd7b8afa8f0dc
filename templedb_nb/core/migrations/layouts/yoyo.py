"""yoyo: ``0001.name.sql`` with ``-- depends:``; ``0001.name.rollback.sql`` rolls it back."""

from __future__ import annotations

import re
from collections.abc import Mapping

from templedb_nb.core.migrations.layouts.placing import (
    MigrationFolder,
    Parts,
    Placed,
    Placements,
    complaint,
    last,
    left_out,
)
from templedb_nb.model.finding import Finding
from templedb_nb.model.layout import Layout, Reading

DEPENDS = re.compile(r"^--[ \t]*depends[ \t]*:(?P<ids>[^\r\n]*)", re.MULTILINE)
_ALONE = re.compile(
    r"^--[ \t]*transactional[ \t]*:[ \t]*false[ \t]*$", re.MULTILINE | re.IGNORECASE
)
_BACK = ".rollback.sql"
_CODE = re.compile(r"(?!__init__|setup|conftest)[\w.-]+\.py")


def stem(path: str) -> str:
    """Return a migration's id: its name without ``.sql`` or ``.py``."""
    return re.sub(r"\.(?:sql|py)$", "", last(path))


def place(folder: MigrationFolder) -> Placements:
    """Return the files by name, each behind those that it depends on; a key is the id."""
    backs = {path for path in folder.files if path.endswith(_BACK)}
    placed: dict[str, Placed] = {}
    findings: list[Finding] = []
    for path in sorted((*folder.files, *folder.beside(_CODE)), key=stem):
        if path in backs:
            continue
        if last(path).startswith("post-apply"):
            findings.append(left_out(path, "runs after all others, which is a job for post_deploy"))
            continue
        back = f"{path.removesuffix('.sql')}{_BACK}"
        opaque = "is Python, which only yoyo can run" if path.endswith(".py") else ""
        placed[stem(path)] = Placed(
            path=path,
            key=stem(path),
            reading=Reading(layout=Layout.YOYO, opaque=opaque),
            down=back if back in backs else "",
            base=folder.base,
        )
    wants = {each: _depends(folder.look.texts.get(p.path, "")) for each, p in placed.items()}
    ordered, wrong = _sorted(placed, wants)
    return Placements(
        files=tuple(ordered), downs=tuple(sorted(backs)), findings=(*findings, *wrong)
    )


def _depends(text: str) -> tuple[str, ...]:
    lines = DEPENDS.finditer(text.removeprefix("\ufeff"))
    return tuple(each for told in lines for each in told["ids"].split())


def _sorted(
    found: Mapping[str, Placed], wants: Mapping[str, tuple[str, ...]]
) -> tuple[list[Placed], list[Finding]]:
    ordered: dict[str, Placed] = {}
    findings: list[Finding] = []
    for first in found:
        below = {} if first in ordered else {first: iter(sorted(wants[first]))}
        while below:
            each = next(reversed(below))
            other = next(below[each], None)
            if other is None:
                del below[each]
                ordered[each] = found[each]
            elif other in below:
                names = [*below]
                message = (
                    f"depends on itself, by way of {' and '.join(names[names.index(other) :])}"
                )
                mend = "remove one of these dependencies"
                findings.append(complaint(found[other].path, message, mend))
            elif other not in found:
                message = f"depends on {other}, which is missing here"
                findings.append(complaint(found[each].path, message, "restore that file"))
            elif other not in ordered:
                below[other] = iter(sorted(wants[other]))
    return list(ordered.values()), findings


def parts(text: str) -> Parts:
    """Return the text; ``-- transactional: false`` forbids a transaction."""
    alone = _ALONE.search(text)
    line = text.count("\n", 0, alone.start()) + 1 if alone else 0
    return Parts(up=text, no_transaction=line, words="-- transactional: false")
