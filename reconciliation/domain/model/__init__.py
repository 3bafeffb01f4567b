"""The words of the domain as types."""
