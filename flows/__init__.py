"""Prefect flows: where and when the stages run. The only package that imports Prefect.

What a stage does is in `patchgap.stages`; a file here is one flow, its tasks and the words on its run.
"""
