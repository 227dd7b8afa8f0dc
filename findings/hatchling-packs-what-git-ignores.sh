#!/bin/sh
# hatchling 1.33.0 with pathspec 1.1.1: a package contains files that .gitignore leaves out, and not those that it keeps.
#
# hatchling leaves out what .gitignore names, by pathspec's GitIgnoreSpec. Three of git's rules are read otherwise there:
# - *.[[:digit:]]: classes of characters are not known, so that such a line matches nothing. Python warns of a "possible nested set".
# - private/ and then !private/notes: git does not enter a folder that is ignored, so the second line has no effect there.
#   pathspec takes the file in again.
# - [a\-c].log: for git the escaped - is a letter: a, - and c. pathspec reads a range, and leaves b.log out.
# So the archive that goes to an index has dump.1 and private/notes, which no checkout has ever shown, and lacks b.log.
#
# Seen: "packed although git ignores them: dump.1, private/notes; left out although git keeps them: b.log".
# Exits 1 if that changes. Needs git, Python and pip.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check 'hatchling==1.33.0' 'pathspec==1.1.1'
cat > "$place/try.py" <<'PY'
import subprocess
import sys
import tarfile
import warnings
from pathlib import Path

from hatchling.builders.sdist import SdistBuilder

warnings.simplefilter("ignore")
project = Path(sys.argv[1]) / "project"
(project / "private").mkdir(parents=True)
for name in ("shop.py", "dump.1", "dump.x", "private/notes", "a.log", "b.log", "c.log"):
    (project / name).write_text("")
(project / ".gitignore").write_text("*.[[:digit:]]\nprivate/\n!private/notes\n[a\\-c].log\n")
(project / "pyproject.toml").write_text("""
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "shop"
version = "1"
""")
git = ["git", "-C", project]
subprocess.run([*git, "init", "--quiet"], check=True)
kept = subprocess.run([*git, "ls-files", "--others", "--exclude-standard"],
                      check=True, capture_output=True, text=True).stdout.split()
(archive,) = SdistBuilder(str(project)).build(directory=str(project.parent / "made"), versions=["standard"])
with tarfile.open(archive) as file:
    packed = {name.partition("/")[2] for name in file.getnames()} - {"PKG-INFO"}
more, less = sorted(packed - set(kept)), sorted(set(kept) - packed)
print(f"packed although git ignores them: {', '.join(more)}; left out although git keeps them: {', '.join(less)}")
raise SystemExit((more, less) != (["dump.1", "private/notes"], ["b.log"]))
PY
"$place/venv/bin/python" -W ignore "$place/try.py" "$place"
