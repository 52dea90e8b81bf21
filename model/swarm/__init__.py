"""Rules of Docker Swarm: scheduling, address pools, engine versions, names of secrets and configs. Pure."""
