"""Hosts in Google Compute Engine."""
