"""What a worker process does around a Host: told what to serve, serve it, and stop; for any supervisor."""
