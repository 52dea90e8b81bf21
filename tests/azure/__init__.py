"""Azure for tests."""
