"""Where the bytes of files are kept: whole or not at all, under names that no client has a part in."""
