"""Image building on the repository host: layers, bases, Dockerfiles, registry."""
