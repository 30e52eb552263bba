"""For the tests of applications: databases, factories, fixtures."""
