"""What adapters of brokers share."""
