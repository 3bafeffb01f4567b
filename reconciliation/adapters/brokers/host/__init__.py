"""How we open brokers, and keep within the limits of their logins."""
