"""What a kernel remembers between two magics, and ``%config TempleDB`` shows and sets."""

from __future__ import annotations

from traitlets import Bool, Unicode
from traitlets.config import Configurable


class TempleDB(Configurable):
    """The settings of ``%templedb`` in this kernel; a restart forgets them."""

    project = Unicode(
        help="The project where none is named: what `%templedb use` sets, first TEMPLEDB_PROJECT."
    ).tag(config=True)
    target = Unicode(
        help="The target where none is named: what `%templedb use` sets, first TEMPLEDB_TARGET."
    ).tag(config=True)
    state = Unicode(
        help="The state file; where it is empty, the one that the commands would use."
    ).tag(config=True)
    live = Bool(default_value=True, help="Show a run while it goes on.").tag(config=True)
