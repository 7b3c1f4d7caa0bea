"""Single values of a config: which are valid, and which other spellings are accepted."""
