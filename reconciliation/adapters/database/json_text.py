"""How JSON is written into the database."""

import json

#: A run's context is the caller's, and may hold a UUID or a time: they are written as text.
to_json = json.JSONEncoder(default=str).encode
