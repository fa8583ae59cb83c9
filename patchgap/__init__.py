"""patchgap: the incident engine that closes a supply-chain incident on runtime proof alone."""
