"""Demo and load-test data: a small company with stories worth querying, and a population of any size for measuring."""
