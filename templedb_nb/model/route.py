"""How a database is reached: what its address says, and what others decide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteParameter:
    """A parameter that the address leaves open, and what decides it."""

    keyword: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """The variables that libpq reads; `kept` are those of the project, its target or --env."""

    values: Mapping[str, str] = field(repr=False)
    kept: frozenset[str] = frozenset()

    def origin(self, name: str) -> str:
        """Return the variable and where it comes from, as people read it."""
        where = "among the target's variables" if name in self.kept else "in the environment"
        return f"{name} {where}"


ALONE = Surroundings(values=MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where a variable's address leads, every part of it said.

    `parameters` go by libpq's names, `secrets` are the passwords among them. `address` is what
    people may see. Once somebody is there, the route leads to that place alone, which may be
    `one_of` several.
    """

    name: str
    parameters: Mapping[str, str] = field(repr=False)
    secrets: Mapping[str, Secret] = field(default_factory=dict, repr=False)
    decided: tuple[RouteParameter, ...] = ()
    address: str = ""
    one_of: str = ""

    @property
    def whole(self) -> dict[str, str]:
        """Return every parameter, passwords too, for the one place that connects."""
        return {**self.parameters, **{key: each.reveal() for key, each in self.secrets.items()}}

    @property
    def password(self) -> str:
        """Return the password, or nothing."""
        found = self.secrets.get("password")
        return found.reveal() if found else ""

    @property
    def several(self) -> bool:
        """Return whether it names more than one host."""
        named = (self.parameters.get("host", ""), self.parameters.get("hostaddr", ""))
        return any("," in each for each in named)
