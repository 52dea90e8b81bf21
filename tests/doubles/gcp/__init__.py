"""Google as the tests have it."""
