"""Targets in numbers: their labels, what selects them, addresses from a template, files of them."""
