"""OCI registries: what an image is made of, and the SBOMs and provenance that are kept beside it. Reads alone."""
