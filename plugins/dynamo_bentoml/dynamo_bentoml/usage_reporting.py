"""BentoML's reports of its use, which stay off unless the user has asked for them."""

from __future__ import annotations

from typing import Final

VARIABLE: Final = "BENTOML_DO_NOT_TRACK"
"""Keeps BentoML from telling its makers that it is used."""
