"""The process that supervises a run: the only folder that imports Circus."""
