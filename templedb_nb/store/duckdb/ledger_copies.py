"""What the copies of other targets' ledgers say."""

from __future__ import annotations

from collections.abc import Iterable

from templedb_nb.model.project import Slug
from templedb_nb.model.serialization import Digest
from templedb_nb.model.target import TargetName
from templedb_nb.store.duckdb.state_file import StateFile

_APPLIED = """
SELECT DISTINCT key, body->>'$.checksums.tokens' FROM ledger_copies
WHERE project = ? AND target <> ? AND state = 'applied' AND list_contains(?::VARCHAR[], key)
"""


def applied_elsewhere(
    file: StateFile, slug: Slug, target: TargetName, keys: Iterable[str]
) -> frozenset[tuple[str, Digest]]:
    """Return which of *keys* other targets of the project have applied, with token checksums."""
    with file.session() as session:
        rows = session.execute(_APPLIED, [slug, target, sorted(keys)]).fetchall()
    return frozenset((key, Digest(tokens)) for key, tokens in rows)
