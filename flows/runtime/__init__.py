"""Where flows run: a Prefect server on loopback, a warm worker, deployments, and starting runs.

Knows Prefect and processes; nothing of incidents.
"""
