"""Tests that share a second copy of the example: what fails on it, is lost or killed, and comes back."""
