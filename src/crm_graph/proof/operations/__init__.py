"""Random queries, valid for a role's schema."""
