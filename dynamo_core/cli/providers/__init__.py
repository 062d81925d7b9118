"""``dynamo providers`` and its commands, one module for each."""
