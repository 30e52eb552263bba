"""The command ``project-architect-db``; ``project_architect_command`` says what it can do."""
