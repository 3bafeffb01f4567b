"""The users' own tables as the local book."""
