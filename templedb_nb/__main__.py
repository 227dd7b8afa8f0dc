"""``python -m templedb_nb`` is ``templedb``."""

from templedb_nb.cli import main

main()
