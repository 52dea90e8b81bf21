"""Sites that run, and are changed while they do."""
