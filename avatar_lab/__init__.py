"""avatar_lab: learn, rebuild and try real-time interactive head avatars."""
