"""What a project's files say of how it is deployed: names, numbers, pairs, marks, neighbours."""
