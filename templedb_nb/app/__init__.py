"""The composition root: where ports meet adapters, and use cases have names."""

from templedb_nb.app.container import Container

__all__ = ["Container"]
