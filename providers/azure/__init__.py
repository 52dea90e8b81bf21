"""Hosts in Microsoft Azure."""
