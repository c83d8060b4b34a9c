"""What tests and benchmarks stand on: servers, a proxy that breaks connections, load; it imports neither."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""The project's folder, in which its programs are run."""
