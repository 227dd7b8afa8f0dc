"""Which facts of the records people are notified of, who wants them, and when to try again."""
