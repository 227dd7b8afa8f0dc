"""Use cases of deployments: plans, approvals, runs, locks."""
