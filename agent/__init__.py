"""skep's agent: what hosts do by themselves, as by a timer at night. Python's standard library alone."""
