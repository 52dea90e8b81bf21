"""What build_images is made of: bases, digests, roles."""
