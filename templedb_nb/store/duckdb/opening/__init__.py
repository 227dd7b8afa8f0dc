"""How a state file is opened, and kept open."""
