"""Runs on this machine: their private directories, their state, and how they are told what to do."""
