import click


@click.command(short_help="Run the conformance kit on one provider, and grade it.")
def test(): ...
