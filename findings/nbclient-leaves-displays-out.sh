#!/bin/sh
# nbclient 0.11.0, ipykernel 7.4.0: a cell displays 20,000 rows in a loop; thousands of them are missing in the notebook, and it passes.
#
# A kernel publishes outputs on a ZeroMQ PUB socket, which keeps 1,000 messages for a reader (and 1,000 more at the reader's
# side) and drops the next ones. A loop sends faster than nbclient takes in. What is dropped may also be the message that the
# kernel is idle, and the text after the loop: then nbclient waits iopub_timeout (four seconds), logs a warning, and goes on;
# execute() raises nothing. The same four seconds cut off output that has arrived and is not read yet, as on a busy machine.
# A kernel in which a first cell sets SNDHWM of that socket to 0, read with an iopub_timeout of a minute, loses nothing.
#
# Seen: "as it is: 11,077 of 20,000, no exception; with SNDHWM 0: 20,000 of 20,000". The first number differs by machine. Exits 1
# if nothing is missing, if execute() raises, or if something is missing with SNDHWM 0. Needs Python and pip.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cat > "$place/try.py" <<'PY'
from nbclient import NotebookClient
from nbformat import v4

ROWS = 20_000
LOOP = f"for n in range({ROWS}): display(n)\nprint('the end')"
KEEP_ALL = """
import zmq
thread = get_ipython().kernel.iopub_thread
thread.schedule(lambda: thread.socket.setsockopt(zmq.SNDHWM, 0))
"""


def shown(*before):
    """Run a notebook; return how many rows its last cell has."""
    book = v4.new_notebook(cells=[v4.new_code_cell(text) for text in (*before, LOOP)])
    NotebookClient(book, iopub_timeout=60 if before else 4).execute()
    return sum(each["output_type"] == "display_data" for each in book.cells[-1].outputs)


as_it_is, kept = shown(), shown(KEEP_ALL)
print(f"as it is: {as_it_is:,} of {ROWS:,}, no exception; with SNDHWM 0: {kept:,} of {ROWS:,}")
raise SystemExit(not (as_it_is < ROWS == kept))
PY
python3 -m venv "$place/python"
"$place/python/bin/pip" install --quiet --disable-pip-version-check 'nbclient==0.11.0' 'ipykernel==7.4.0'
"$place/python/bin/python" "$place/try.py" 2> "$place/log"
