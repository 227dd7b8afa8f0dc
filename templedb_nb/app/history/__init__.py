"""Use cases of those who look back."""
