"""Exports: the rows of one list, compiled like a read, taken through a cursor and written as lines or sheets."""
