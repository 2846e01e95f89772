"""The measurement of docs/performance.md: our server, the hand-written limit and a peer; same rows, in turn."""
