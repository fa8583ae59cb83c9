"""AWS: SBOMs that are kept in S3."""
