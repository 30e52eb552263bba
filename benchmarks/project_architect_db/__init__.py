"""How fast project_architect_db is, beside the engines that it stands on."""
