"""What `setup_hosts` does on each host: small steps as data, and how one is applied and checked."""
