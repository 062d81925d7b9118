"""The services that the tests of the kit run: plain modules, which worker processes import."""
