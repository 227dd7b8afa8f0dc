"""How a project is deployed: its document read and checked, groups, variables, overlays."""
