"""Use cases of projects: files, configs, targets, variables."""
