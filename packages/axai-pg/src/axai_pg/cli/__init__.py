"""The command ``axai-pg``; ``axai_command`` says what it can do."""
