"""What statements do to tables: locks, costs, and the rules that warn of them."""
