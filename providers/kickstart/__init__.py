"""Physical machines, installed unattended."""
