#!/bin/sh
# nbformat 5.11.1, jsonschema 4.26.0: once jupyter-events 0.12.1 is installed, importing nbformat takes six to nine times as long.
#
# jupyter-events, which JupyterLab and Notebook bring, requires jsonschema with its extra format-nongpl, and that brings
# rfc3987-syntax. jsonschema imports that package wherever it is installed, and its import builds a parser for URIs from a
# grammar (lark), again in each process. nbformat imports jsonschema and checks no URI. So each start of nbconvert,
# nbclient or papermill in an environment with JupyterLab takes a second or two longer.
#
# Seen: "nbformat alone: 0.25 s; beside jupyter-events: 2.33 s, with rfc3987_syntax". The times differ by machine. Exits 1
# if nbformat no longer imports that grammar, or if its import is less than twice as slow with it. Needs Python and pip.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cat > "$place/try.py" <<'PY'
import statistics
import subprocess
import sys
from pathlib import Path

TIMED = """
import sys, time
begun = time.perf_counter()
import nbformat
print(time.perf_counter() - begun, "rfc3987_syntax" in sys.modules)
"""


def imported(environment):
    """Import nbformat in five processes; return the median time, and whether the grammar came along."""
    python = Path(sys.argv[1]) / environment / "bin/python"
    told = [subprocess.run([python, "-c", TIMED], check=True, capture_output=True, text=True).stdout.split()
            for _ in range(6)][1:]
    return statistics.median(float(took) for took, _ in told), {came == "True" for _, came in told}


alone, without = imported("alone")
beside, grammar = imported("beside")
with_it = "with" if grammar == {True} else "without"
print(f"nbformat alone: {alone:.2f} s; beside jupyter-events: {beside:.2f} s, {with_it} rfc3987_syntax")
raise SystemExit((without, grammar, beside > 2 * alone) != ({False}, {True}, True))
PY
for name in alone beside; do
    python3 -m venv "$place/$name"
    "$place/$name/bin/pip" install --quiet --disable-pip-version-check 'nbformat==5.11.1' 'jsonschema==4.26.0'
done
"$place/beside/bin/pip" install --quiet --disable-pip-version-check 'jupyter-events==0.12.1' 'rfc3987-syntax==1.1.0'
python3 "$place/try.py" "$place"
