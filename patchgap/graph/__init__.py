"""The exposure graph: which component is in which artifact, and which workload runs that artifact.

Owns the readers of SBOMs, advisories and provenance, the store, and the question "which running workloads include it?".
It knows nothing of clusters' APIs, of incidents, or of how an answer is printed.
"""
