"""The commands that start flows or run what flows need. Each group is imported only when it is called."""
