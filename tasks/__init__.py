"""The phases, one module each, and the rooms that they use. Each resource is a step, and so a doit task."""
