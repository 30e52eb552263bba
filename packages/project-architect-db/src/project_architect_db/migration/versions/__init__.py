"""The revisions, in the order of their numbers; each runs by itself, without the models."""
