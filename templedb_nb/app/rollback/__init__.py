"""Going back to an earlier release."""
