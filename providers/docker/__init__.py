"""Hosts as containers of a Docker Engine."""
