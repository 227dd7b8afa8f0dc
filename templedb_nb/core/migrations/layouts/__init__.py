"""Folder conventions: which files of a folder are migrations, in which order, under which key."""
