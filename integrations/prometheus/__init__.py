"""Anomaly signals, as a Prometheus measures them. Reads alone."""
