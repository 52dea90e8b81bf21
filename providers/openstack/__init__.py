"""Hosts in an OpenStack cloud."""
