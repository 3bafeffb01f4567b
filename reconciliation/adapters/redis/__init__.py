"""Coordination and publishing in Redis; decisions stand in Lua."""
