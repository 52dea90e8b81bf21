"""How to act on a host that exists: ssh, its Docker Engine, the swarm, image building."""
