"""How the settings are read and checked; which there are, and their defaults, is in `config.py`."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""The project's folder, where relative paths start and `.env` is."""
