"""The steps of a plan that keep what a build made, and bring it back."""

from __future__ import annotations

from typing import ClassVar

from templedb_nb.model.artifact import DEFAULT_LIMIT, Artifact, ArtifactRule
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.event import Evidence
from templedb_nb.model.phase import Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepArtifacts:
    """Hash and keep what the build made; nothing of the target changes.

    `store` is where the bytes go, nothing for the state's own folder. `protected` refuses the
    reference of an image that may be another one tomorrow.
    """

    kind: ClassVar[str] = "keep_artifacts"
    past: ClassVar[str] = "kept"
    proof: ClassVar[Evidence] = Evidence.JOURNAL
    deploys: ClassVar[bool] = True
    mutates: ClassVar[bool] = False
    opaque: ClassVar[bool] = False
    group: str
    rules: tuple[ArtifactRule, ...]
    limit: int = DEFAULT_LIMIT
    store: str = ""
    protected: bool = False

    @property
    def phase(self) -> Phase:
        """What a build made is kept before it is tested."""
        return Phase.BUILD

    @property
    def title(self) -> str:
        """Name the step in one line."""
        return f"keep artifacts: {', '.join(each.name for each in self.rules)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceArtifacts:
    """Write what an earlier run kept into the work folder, in place of a build and its test.

    `replaces` are the phases that do not run, and `reason` says why.
    """

    kind: ClassVar[str] = "place_artifacts"
    past: ClassVar[str] = "placed"
    proof: ClassVar[Evidence] = Evidence.JOURNAL
    deploys: ClassVar[bool] = True
    mutates: ClassVar[bool] = False
    opaque: ClassVar[bool] = False
    group: str
    artifacts: tuple[Artifact, ...]
    store: str = ""
    replaces: tuple[str, ...] = ()
    reason: str = ""

    @property
    def phase(self) -> Phase:
        """It stands where the build would stand."""
        return Phase.BUILD

    @property
    def title(self) -> str:
        """Name the step in one line."""
        told = f"place artifacts: {', '.join(each.told for each in self.artifacts)}"
        left = f"; {' and '.join(self.replaces)} skipped ({self.reason})" if self.replaces else ""
        return f"{told}{left}"
