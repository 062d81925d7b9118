"""``python -m dynamo_core``: the command ``dynamo`` of this interpreter."""

from dynamo_core.cli.entry import main

main()
