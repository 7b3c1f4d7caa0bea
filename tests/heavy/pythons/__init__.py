"""The unit and daemon tests on each Python that users run."""
