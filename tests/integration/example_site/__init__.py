"""Tests that share one site, a copy of the repository's example on four container hosts."""
