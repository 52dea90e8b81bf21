"""The parts of setup_hosts: set-up steps, the vault, swarm members, node labels; hosts that are replaced or leave."""
