"""What a host tells of itself to a monitoring system: a service that looks every 15 s, and writes figures to a file."""
