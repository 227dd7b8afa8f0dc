"""The composition root: where ports meet adapters, and use cases have names."""

from templedb_nb.app.container import Temple

__all__ = ["Temple"]
