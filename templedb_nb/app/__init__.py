"""The composition root: where ports meet adapters, and use cases have names."""

from templedb_nb.app.temple import Temple

__all__ = ["Temple"]
