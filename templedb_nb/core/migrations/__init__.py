"""Migrations: files read by their layout, status, down parts, histories of other tools."""
