"""The command ``andamios-orm``; ``andamios_command`` says what it can do, before any import."""
