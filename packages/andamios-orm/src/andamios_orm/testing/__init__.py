"""A pytest plugin that gives each test a database of its own.

pytest loads ``andamios_pytest.plugin`` in every session, so nothing is imported here.
"""
