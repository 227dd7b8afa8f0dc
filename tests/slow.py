"""What the inner loop leaves out: `make test-fast` runs all tests but these. CI runs all of them."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

MODULES = {
    "a browser, a terminal or a site": ["browser", "test_screen", "test_site", "test_pictures"],
    "kernels": [
        "test_notebook", "test_magics_body", "test_live", "test_gate", "test_panels", "test_runbook",
        "test_examples", "test_binder", "test_looking_back", "test_documents", "test_story",
    ],
    "processes that are killed, and machines that break": [
        "test_chaos", "test_crash", "test_dead_client", "test_died", "test_failpoints",
        "test_lost_after_death", "test_rollback_crashes", "test_broken_state", "test_leftovers",
        "test_isolation", "test_ledger_guard", "test_restore_ledger",
    ],
    "other people's tools": [
        "test_adoption", "test_more_tools", "test_other_runners", "test_pooler", "test_ci",
    ],
    "several servers": [
        "test_servers", "test_versions", "test_down_versions", "test_drift_upgrade",
        "test_ledger_formats", "test_compatibility", "test_shadow", "test_reach",
    ],
    "health that is waited for": ["test_health", "test_health_gates", "test_health_http"],
    "inputs of many megabytes": [
        "test_sizes", "test_large_input", "test_linear", "test_fuzz", "test_masking_programs",
    ],
}  # fmt: skip
FIXTURES = {"kernel"}


def mark(items: Iterable[pytest.Item]) -> None:
    """Mark the tests that take long, each with what it needs."""
    needs = {module: what for what, modules in MODULES.items() for module in modules}
    for item in items:
        parts = item.nodeid.split("::")[0].removesuffix(".py").split("/")
        what = next((needs[part] for part in parts if part in needs), "")
        if not what and FIXTURES & set(getattr(item, "fixturenames", ())):
            what = "kernels"
        if what:
            item.add_marker(pytest.mark.slow(what))
