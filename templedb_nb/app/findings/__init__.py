"""What is found in databases, beside what a plan follows from."""
