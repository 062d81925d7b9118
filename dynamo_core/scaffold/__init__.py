"""The project of a new provider, made from the files in ``template``."""
