"""Routers: a kind a file, and the lock beside each."""
