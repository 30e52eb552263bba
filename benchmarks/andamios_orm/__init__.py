"""How fast andamios_orm is, beside the raw driver and beside its nearest relative.

``python -m benchmarks.andamios_orm`` runs everything and prints the report.
"""
