"""The set-up of a host: small steps as data, applied, read from their markers, and removed."""
