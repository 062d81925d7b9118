"""Graphs of as many services and workers as a variable says, for :mod:`benchmarks.scaling`."""
