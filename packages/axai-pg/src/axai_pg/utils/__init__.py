"""What sets up a cluster and its databases."""
