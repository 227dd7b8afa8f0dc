"""Runbooks without a reader: a notebook in a kernel of its own, and a true outcome."""
