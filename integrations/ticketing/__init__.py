"""Incidents and tickets opened for people, at a ticket system or in a folder."""
