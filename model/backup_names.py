"""Words that backups are known by, on the hosts as here."""

SITE = "site"
"""The repository and the service whose generations are the site's own files and its vault."""
BEFORE_RESTORE = "before-restore"
"""The kind of generation that is made of what a restoration takes away."""
