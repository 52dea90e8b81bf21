"""doit's commands, its reporter and its database, as plug-ins of doit."""

from remote.mother.standard_streams import ensure_standard_streams

# doit keeps the output as it makes a command, before that can do anything itself.
ensure_standard_streams()
