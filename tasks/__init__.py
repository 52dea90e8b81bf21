"""When things are done: one module per phase, each yielding doit tasks, one per resource."""
