"""What whoever supervises worker processes needs, whatever starts them; what runs inside a worker is ``worker_kit``."""
