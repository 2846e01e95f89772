"""What became of a record: its events as one asker may be told of them."""
