"""What is drawn line by line: lists and texts of any length."""
