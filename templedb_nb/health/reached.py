"""What is left to ask once a port accepts a connection: nothing; it runs in the probe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from templedb_nb.model.health import Cause


def ask(request: Mapping[str, Any], tell: object) -> dict[str, Any]:
    """Return that all is well."""
    del tell
    host, port = request["reach"]
    return {"cause": Cause.MET, "message": f"{host} port {port} accepts connections"}
