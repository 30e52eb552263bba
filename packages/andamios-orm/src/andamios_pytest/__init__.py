"""The pytest plugin of ``andamios_orm``, beside the package, and its fixtures in ``plugin``."""
