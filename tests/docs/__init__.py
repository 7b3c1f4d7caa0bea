"""The docs are true: their commands run, their files exist, their messages are the daemon's."""
