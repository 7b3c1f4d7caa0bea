"""The docs are true: their commands run, their files exist, the messages are the daemon's."""
