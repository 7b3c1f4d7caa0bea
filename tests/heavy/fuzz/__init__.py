"""Every parser before bytes that atheris makes up, by what code they reach: `make fuzz`."""
