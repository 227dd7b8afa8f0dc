"""Approvals of several plans at once, and plans that wait for approvals."""
