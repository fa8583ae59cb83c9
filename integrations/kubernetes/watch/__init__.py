"""Following clusters: what they tell of their objects, kept in memory and told to the exposure graph as it changes.

Owns lists, watches and their order. What a workload is, the inventory beside it says; what is stored, the graph.
"""
