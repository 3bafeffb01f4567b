"""Statements of custodians: MT535 and semt.002."""
