"""Tables in which other tools keep what they applied, and how far those can be believed."""
