"""What a copy of the project is made without: what a clone does not have, or has not yet."""

LEFT_BEHIND = (".git", ".venv", ".env", "instance", "__pycache__", "*.pyc", ".*_cache", ".hypothesis", ".coverage*")
