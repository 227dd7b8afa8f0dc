"""What people are notified of: the records that tell it, and how far that has come."""
