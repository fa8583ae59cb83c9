"""A rehearsal Kubernetes cluster: an HTTP server that answers as a real API server does.

It owns the behaviour an incident loop relies on (storage, admission, RBAC, tokens, the controllers and the
kubelet's part) and knows nothing of incidents, playbooks or patchgap's own objects.
What it does not implement it refuses with 501 and the name of what is missing.
"""

from integrations.rehearsal.cluster import RehearsalCluster

__all__ = ["RehearsalCluster"]
