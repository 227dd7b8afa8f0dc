"""Use cases around what builds make: kept, found again, placed, and thrown away."""
