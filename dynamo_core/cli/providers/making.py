import click


@click.command(short_help="Make the project of a new provider.")
def new(): ...
