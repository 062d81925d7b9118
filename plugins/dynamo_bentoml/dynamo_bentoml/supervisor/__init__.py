"""Keeps the worker processes of a run: starts, watches, replaces and stops them. Imports no BentoML."""
