"""Parts that production has elsewhere, run inside this process: an embedded Redis-compatible server."""
