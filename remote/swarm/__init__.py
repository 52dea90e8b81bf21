"""The swarm: membership, nodes, networks, volumes, secrets, services."""
