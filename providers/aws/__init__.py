"""Hosts in Amazon EC2."""
