"""What is typed, not served."""
