"""Use cases around releases that move from target to target."""
