"""The keys of a config document, room by room."""
