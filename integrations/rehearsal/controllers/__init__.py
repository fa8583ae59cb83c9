"""The controllers of a cluster: what brings the world to what the objects ask for."""
