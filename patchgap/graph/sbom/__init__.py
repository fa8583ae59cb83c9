"""SBOM readers: one file a format, one value for all of them."""
