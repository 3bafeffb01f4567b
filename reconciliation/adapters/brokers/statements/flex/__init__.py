"""Flex queries of Interactive Brokers."""
