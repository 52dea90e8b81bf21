"""A host's Docker Engine: the SDK's client, and a quick reader."""
