"""What use cases need from outside: Protocols, one for each capability, and the data that crosses."""
