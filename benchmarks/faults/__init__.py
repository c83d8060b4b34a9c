"""The fault matrix: what each way to keep connections makes of each fault, over HTTP, on a real server."""
