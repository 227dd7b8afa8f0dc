"""A value that must not be seen."""

from __future__ import annotations


class Secret:
    """Holds a value that no repr, format, pickle or JSON shows; `reveal` is the only way out."""

    __slots__ = ("_value", "name")

    def __init__(self, name: str, value: str) -> None:
        """Guard *value*, which people know as *name*."""
        self.name = name
        self._value = value

    def reveal(self) -> str:
        """Return the value, for the one place that needs it."""
        return self._value

    def __repr__(self) -> str:
        """Show the name alone."""
        return f"***[{self.name}]"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        """Show the name alone, in f-strings too."""
        return format(repr(self), spec)

    def __reduce__(self) -> str:
        """Refuse to be pickled."""
        raise TypeError(f"a secret cannot be stored: {self!r}")
