"""References, bases, roles, Dockerfiles' contexts and site.lock. Pure."""
