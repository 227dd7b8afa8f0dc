"""The loops: plans in, events out; impure only through ports."""
