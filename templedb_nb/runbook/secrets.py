"""The secrets that a runner knows: of its environment, and those that its kernel tells."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from templedb_nb.core.secrets.masking import Masker

_NAMES = re.compile(
    r"(?i)(^|_)(password|passwd|(?<=_)pwd|secret|token|api_?key|private_?key|dsn)s?($|_)"
    r"|^TEMPLEDB_KEY$"
)
_URL = re.compile(r"^[a-z][a-z0-9+.-]*+://[^/\s@:]*+:[^/\s@]++@")
MINIMUM = 8
"""Values of the environment that nobody declared a secret are masked from this length on."""


class Secrets:
    """A mask for text and for whole documents; `learnt` counts the secrets that it knows."""

    def __init__(
        self, environ: Mapping[str, str], heard: Callable[[str, str], None] | None = None
    ) -> None:
        """Know what in *environ* is a secret by its name, or is a URL with a password.

        *heard* is told of each, before it is masked.
        """
        self._heard = heard
        self.masker = Masker()
        self.learnt = 0
        self._known: set[str] = set()
        for name, value in environ.items():
            if len(value) >= MINIMUM and (_NAMES.search(name) or _URL.match(value)):
                self.add(name, value)

    def add(self, name: str, value: str) -> None:
        """Mask *value* from now on."""
        if value in self._known:
            return
        self._known.add(value)
        if self._heard is not None:
            self._heard(name, value)
        self.learnt += 1
        self.masker.add(name, value)

    def document(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return a notebook masked; what its format gives a meaning to stays as it is."""
        made: dict[str, Any] = self.masked({**body, "cells": []})
        made["cells"] = [self._cell(cell) for cell in body["cells"]]
        return made

    def _cell(self, cell: dict[str, Any]) -> dict[str, Any]:
        kept = {key: cell[key] for key in ("cell_type", "id")}
        made: dict[str, Any] = {**self.masked(cell), **kept}
        if "outputs" in cell:
            pairs = zip(made["outputs"], cell["outputs"], strict=True)
            made["outputs"] = [{**new, "output_type": old["output_type"]} for new, old in pairs]
        return made

    def masked(self, value: Any) -> Any:
        """Return *value* with every text in it masked, whatever it is made of."""
        match value:
            case str():
                return self.masker.mask(value)
            case dict():
                return {self.masker.mask(str(k)): self.masked(v) for k, v in value.items()}
            case list() | tuple():
                return [self.masked(each) for each in value]
            case _:
                return value
