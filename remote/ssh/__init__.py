"""OpenSSH: shared connections, command lines, first log-ins."""
