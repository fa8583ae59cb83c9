"""The five stages as plain functions: what each does, in units that a flow can run as retryable tasks.

Everything here goes through the engine it is handed; flows/ decides where and when it runs.
"""
