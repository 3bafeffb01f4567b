"""Every exchange of ccxt."""
