"""What a deployment was asked to bring about, however far its target has come since."""

from __future__ import annotations

from templedb_nb.model.plan import Preview
from templedb_nb.model.serialization import Digest, digest


def asked(preview: Preview) -> Digest:
    """Return the digest of a plan's release, config, overlay, and groups that are left out.

    Two plans share it if they take the same target to the same place: one that was made before a
    run, and one that finds nothing left to do behind it.
    """
    left_out = sorted(each.what for each in preview.draft.skips if each.why.startswith("--"))
    plan = preview.plan
    return digest([plan.project, plan.target, preview.tree, preview.config, plan.overlay, left_out])
