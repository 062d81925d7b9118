"""A run of worker processes, for providers that only know how to start one.

A provider gives an :class:`dynamo_core.worker_run.engine.Engine`; slots, sockets, memberships, restarts, scaling,
status and the control socket are here.
"""
