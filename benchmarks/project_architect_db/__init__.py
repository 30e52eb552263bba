"""Benchmarks of project_architect_db: single rows, bulks, analytics, search, tasks, memory."""
