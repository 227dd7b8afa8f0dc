"""The way of a release from target to target, and what must be true before it moves on."""

from __future__ import annotations

from templedb_nb.model.dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionGates:
    """What must be true of a release where it comes from, before a target gets it.

    `min_soak_s` is how long it must have been deployed there. With `healthy`, every measurement
    since must have found it healthy, and one that is made now. `min_targets` is on how many
    targets of the project it must have been deployed.
    """

    min_soak_s: int = 0
    healthy: bool = True
    min_targets: int = 1

    def stricter(self, other: PromotionGates) -> PromotionGates:
        """Return gates that satisfy both."""
        return PromotionGates(
            min_soak_s=max(self.min_soak_s, other.min_soak_s),
            healthy=self.healthy or other.healthy,
            min_targets=max(self.min_targets, other.min_targets),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifecycle:
    """To which targets a release may be promoted, by the target that it comes from."""

    next_of: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def __bool__(self) -> bool:
        """Return whether there is one."""
        return bool(self.next_of)

    @property
    def names(self) -> tuple[str, ...]:
        """Return every target that it names, in their order."""
        named = (name for origin, ends in self.next_of for name in (origin, *ends))
        return tuple(dict.fromkeys(named))

    def after(self, name: str) -> tuple[str, ...]:
        """Return where a release may go from a target."""
        return next((ends for origin, ends in self.next_of if origin == name), ())

    def before(self, name: str) -> tuple[str, ...]:
        """Return where a release of a target may come from."""
        return tuple(origin for origin, ends in self.next_of if name in ends)


NO_LIFECYCLE = Lifecycle()
