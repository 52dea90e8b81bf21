"""Hosts that exist in memory only, for tests."""
