"""Declarations for service authors."""
