"""The parts of build_images: bases, digests, roles, the builder."""
