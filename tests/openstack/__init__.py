"""OpenStack for tests."""
