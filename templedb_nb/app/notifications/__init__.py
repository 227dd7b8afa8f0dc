"""Use cases around notifications: who gets them, what is owed, and how it is sent."""
