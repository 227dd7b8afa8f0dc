"""The ledger in PostgreSQL: read, written, guarded, and restored."""
