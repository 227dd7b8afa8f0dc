"""The pages of runs and of plans."""
