"""Folders and files: read into the store, written out for commands; never outside of a root."""
