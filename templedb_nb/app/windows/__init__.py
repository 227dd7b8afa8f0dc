"""Deployment windows of targets, by the clock of each."""
