"""Where an executed notebook goes."""

from __future__ import annotations

from pathlib import Path

from templedb_nb.errors import FilesError, UsageProblem


def place(notebook: Path, out: Path | None) -> Path:
    """Return the file for the executed notebook, in a folder that exists; never the runbook."""
    chosen = out or notebook.with_name(f"{notebook.stem}.executed.ipynb")
    try:
        if chosen.is_dir() or chosen.suffix != ".ipynb":
            chosen = chosen / notebook.name
        chosen.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FilesError(f"cannot write {chosen}: {error.strerror}") from None
    if chosen.resolve() == notebook.resolve():
        message = f"{chosen} is the runbook itself: the output would replace it"
        raise UsageProblem(message, hint=f"templedb runbook run {notebook} -o executed/")
    return chosen
