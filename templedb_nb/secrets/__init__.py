"""Where the values of variables come from."""
