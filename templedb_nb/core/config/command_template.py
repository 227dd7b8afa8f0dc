"""What a command text says: where a file stands in it, and whether it calls psql safely."""

from __future__ import annotations

import re
import shlex

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.target import DatabaseName

FILE = "{file}"
FILE_VARIABLE = '"$TEMPLEDB_FILE"'

_VARIABLE = re.compile(r"\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)\})")
_HARMLESS = {"-X", "-q", "-1", "-b", "-a", "-e", "-w"}
_HARMLESS |= {"--no-psqlrc", "--quiet", "--single-transaction", "--no-password", "--echo-errors"}
_SETS = {"ON_ERROR_STOP=1", "ON_ERROR_STOP=on", "ON_ERROR_STOP=true", "ON_ERROR_STOP"}


def per_file(text: str) -> bool:
    """Return whether a command runs once for each matched file."""
    return any(start == end - len(FILE) for start, end, _ in _places(text))


def quoted_file(text: str) -> bool:
    """Return whether ``{file}`` stands inside quotes, where no safe value can be put."""
    return any(quoted for _, _, quoted in _places(text)) or (per_file(text) and "<<" in text)


def with_file_variable(text: str) -> str:
    """Return the text with each ``{file}`` as a quoted variable; ``${file}`` is the shell's."""
    out, last = [], 0
    for start, end, _ in _places(text):
        out += [text[last:start], FILE_VARIABLE]
        last = end
    return "".join([*out, text[last:]])


def _places(text: str) -> list[tuple[int, int, bool]]:
    """Return where each ``{file}`` stands (start, end, inside quotes), as bash reads quotes."""
    places, quote, index = [], "", 0
    while index < len(text):
        letter = text[index]
        if letter == "\\" and quote != "'":
            index += 2
            continue
        if text.startswith(FILE, index) and text[index - 1 : index] != "$":
            places.append((index, index + len(FILE), bool(quote)))
            index += len(FILE)
            continue
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"`":
            quote = letter
        index += 1
    return places


@dataclass(frozen=True, slots=True)
class PsqlTemplate:
    """A command that is nothing but psql with a database and a file."""

    database: DatabaseName


def psql_template(text: str) -> PsqlTemplate | None:
    """Recognise ``psql $DATABASE_URL -f {file}`` in its harmless spellings."""
    words = _words(text)
    if not words or words[0] != "psql":
        return None
    database, files, index = "", 0, 1
    while index < len(words):
        word, following = words[index], words[index + 1 : index + 2]
        if word in _HARMLESS or word in {f"--file={FILE}", f"-f{FILE}"}:
            files += FILE in word
            index += 1
        elif word in {"-f", "--file"} and following == [FILE]:
            files, index = files + 1, index + 2
        elif word in {"-v", "--set", "--variable"} and following and following[0] in _SETS:
            index += 2
        elif word in {"-d", "--dbname"} and following:
            index += 1
        elif (name := _VARIABLE.fullmatch(word)) and not database:
            database, index = name[1] or name[2], index + 1
        else:
            return None
    return PsqlTemplate(DatabaseName(database)) if database and files == 1 else None


def unsafe_psql(text: str) -> bool:
    """Return whether psql runs a file without ON_ERROR_STOP: it exits 0 when its SQL fails."""
    if psql_template(text) or "ON_ERROR_STOP" in text:
        return False
    calls = re.finditer(r"(?:^|[\s;&|(])psql\b([^;&|\n]*)", text)
    return any(re.search(r"\s(-\w*f|--file)\b|\s-f|<(?!\()", call[1]) for call in calls)


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text, comments=False)
    except ValueError:
        return []
