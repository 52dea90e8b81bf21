"""Tests that share a site of one host, with an upstream registry on that host."""
