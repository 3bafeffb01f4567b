"""The JSON that crosses our border: versioned, and tested against the docs."""
