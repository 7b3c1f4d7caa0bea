"""Our CDI specs in front of CDI's own library, the oldest that runtimes have and the newest."""
