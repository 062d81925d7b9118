"""The circus provider."""
