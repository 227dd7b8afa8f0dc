"""Who may let a plan run, and whether it may."""
