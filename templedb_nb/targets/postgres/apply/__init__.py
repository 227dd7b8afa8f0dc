"""Migrations carried out in PostgreSQL: in one transaction, or step by step."""
