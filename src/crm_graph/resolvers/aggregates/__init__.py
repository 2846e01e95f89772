"""Aggregates: groups of rows, what is measured of them, and which groups are kept."""
