"""Use cases around the health of targets."""
