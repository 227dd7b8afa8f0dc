"""What is risky in migrations as SARIF 2.1.0, which code hosts read.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from templedb_nb.model.lint import Complaint, LintReport
from templedb_nb.version import __version__

_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)


def sarif(value: LintReport) -> dict[str, Any]:
    """Return the report as one SARIF document, a run for each linter that spoke."""
    sources = list(dict.fromkeys(["templedb", *(each.source for each in value.rows)]))
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [_run(value, s) for s in sources]}


def _run(value: LintReport, source: str) -> dict[str, Any]:
    rows = [each for each in value.rows if each.source == source]
    rules = list(dict.fromkeys(each.rule for each in rows))
    driver: dict[str, Any] = {"name": source, "rules": [{"id": rule} for rule in rules]}
    if source == "templedb":
        driver["version"] = __version__
    level = "error" if value.forbids else "warning"
    results = [_result(each, rules.index(each.rule), level) for each in rows]
    return {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}


def _result(each: Complaint, index: int, level: str) -> dict[str, Any]:
    told = f"{each.message}. Safer: {each.mend}" if each.mend else each.message
    where = {
        "artifactLocation": {"uri": quote(each.file), "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": each.line, "startColumn": each.column},
    }
    return {
        "ruleId": each.rule,
        "ruleIndex": index,
        "level": level,
        "message": {"text": told},
        "locations": [{"physicalLocation": where}],
    }
