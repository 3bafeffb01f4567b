"""What an operator does beside the workers: check health, run a local stack, import a book."""
