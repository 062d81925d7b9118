"""Which devices a run may use, and which worker holds which."""
