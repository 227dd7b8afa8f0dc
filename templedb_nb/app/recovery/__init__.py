"""Runs that nobody saw end: settled by what journals, ledgers and people say."""
