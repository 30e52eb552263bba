"""Benchmarks of axai_pg: isolation, single documents, bulks, the cache."""
