"""Output for people and programs: tables, drawings and JSON documents."""
