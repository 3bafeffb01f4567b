"""Local books that are not our own tables."""
