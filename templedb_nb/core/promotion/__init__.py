"""Promotion: from which run, whether it may, and what it brings."""
