"""Use cases around the slots of groups."""
