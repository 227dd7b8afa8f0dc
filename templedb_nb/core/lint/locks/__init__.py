"""What statements lock: what they read and write, what hangs together with that, and its names."""
