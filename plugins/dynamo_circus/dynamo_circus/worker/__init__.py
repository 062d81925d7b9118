"""The built-in worker: one process that serves one slot of one service."""
