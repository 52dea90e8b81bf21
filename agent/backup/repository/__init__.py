"""The repository host's part: the repositories of all hives, what is kept of them, and copies off the site."""
