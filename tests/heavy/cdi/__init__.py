"""Our CDI specs, read by the oldest and the newest version of CDI's own library."""
