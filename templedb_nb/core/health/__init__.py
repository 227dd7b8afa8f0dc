"""Health, decided: what a check asks, what an answer means, what tries come to."""
