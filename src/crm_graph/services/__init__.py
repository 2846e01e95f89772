"""The rules of the business, by noun; the only writers."""
