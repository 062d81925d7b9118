"""What workers write, from a read of a pipe to terminals, files and whoever asks; for any provider.

Nothing here ever keeps a supervisor waiting: what cannot be written in time is dropped, and counted.
"""
