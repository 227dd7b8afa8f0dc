"""Fleets as plain text: their plans, and their rollouts."""

from templedb_nb.views.text.fleets import fleet_plan, rollout

__all__ = ["fleet_plan", "rollout"]
