"""``python -m dynamo_core.cli``."""

from dynamo_core.cli.entry import main

main()
