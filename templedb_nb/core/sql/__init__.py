"""SQL as text: tokens, statements, directives, and how a file is to run."""
