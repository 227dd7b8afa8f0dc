"""Values read exactly, or refused with every complaint at once."""
