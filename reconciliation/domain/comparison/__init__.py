"""Two snapshots in, findings out."""
