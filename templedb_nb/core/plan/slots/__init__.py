"""Slots in a plan: which steps deploy into one and switch to it, and what forbids that."""
