"""Runs after the fact: recovery of dead ones, comparison, and what became of the ledger."""
