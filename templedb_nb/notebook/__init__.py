"""What only a notebook has: buttons, questions in a cell, and outputs that replace themselves."""
