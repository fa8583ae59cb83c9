"""The playbook language: its schema, its loader with problems at file and line, its tiers, and the planner.

Pure but for the loader, which reads the files it is given. Knows verbs only through the registry.
"""
