"""Scheduling, ports, address pools and names of contents, as a swarm counts them. Pure."""
