"""What tests of applications need."""
