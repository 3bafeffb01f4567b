"""For other services: report fills, request a run."""
