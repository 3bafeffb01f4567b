"""A folder that statements are put into."""
