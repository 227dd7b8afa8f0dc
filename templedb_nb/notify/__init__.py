"""Adapters: how a notification gets to a receiver, a kind a file; each is imported when needed.

None of them follows a redirect, raises for what a receiver does, or takes longer than it may.
"""
