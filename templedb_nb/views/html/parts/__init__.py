"""Parts of a plan's card, each also of a card of its own."""
