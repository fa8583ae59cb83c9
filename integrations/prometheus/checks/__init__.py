"""The checks that Prometheus answers, one file a verb."""
