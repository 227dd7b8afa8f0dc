"""Migrations: files read by their layout, their status, their way back, other tools' histories."""
