"""Overload: what three stacks do when they are asked for more than they can, over HTTP, on a real server."""
