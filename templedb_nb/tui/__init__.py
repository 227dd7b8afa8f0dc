"""A terminal to stay in: targets, what waits, runs that go on, and the history, with Textual."""
