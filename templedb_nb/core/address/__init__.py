"""Addresses of databases: read as libpq reads them, checked, and followed to where they lead."""
