"""doit's commands, its reporter and its database, as plug-ins of doit."""
