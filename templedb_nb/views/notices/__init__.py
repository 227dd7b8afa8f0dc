"""A notification in the forms that receivers take: plain text, CloudEvents, e-mail, blocks."""
