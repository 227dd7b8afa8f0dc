"""What engine and use cases ask of the outside world: target, run, shell, store, records."""
