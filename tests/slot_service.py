"""A small HTTP service in a slot: who answers, with which release, and how well."""

from __future__ import annotations

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

PROGRAM = Path(__file__)


class _Answer(BaseHTTPRequestHandler):
    slot, folder = "", Path()

    def do_GET(self) -> None:
        """Answer well, unless a file beside the service says that it is ill."""
        ill = (self.folder / "ill").exists()
        body = f"{self.slot} {(self.folder / 'version').read_text()}".encode()
        self.send_response(503 if ill else 200)
        self.send_header("X-Slot", self.slot)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


if __name__ == "__main__":
    slot, port, folder = sys.argv[1:]
    _Answer.slot, _Answer.folder = slot, Path(folder)
    ThreadingHTTPServer(("127.0.0.1", int(port)), _Answer).serve_forever()
