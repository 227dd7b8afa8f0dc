"""When deployment windows are open: pure decisions over rules and a moment."""
