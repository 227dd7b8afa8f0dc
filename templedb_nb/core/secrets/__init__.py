"""Secrets in texts: how programs write them, and how they are masked."""
