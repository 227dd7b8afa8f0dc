"""Use cases around targets in numbers."""
