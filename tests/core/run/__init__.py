"""What runs come to, without a target."""
