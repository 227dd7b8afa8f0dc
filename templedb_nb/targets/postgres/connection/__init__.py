"""Connections to PostgreSQL: opened, looked at, locked, and watched."""
