"""The change feed: the log in order, as far as it touches what its reader may see."""
