"""What is stored, and the ways to it."""
