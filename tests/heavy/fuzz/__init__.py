"""Every parser with bytes that atheris generates, guided by the code they reach: `make fuzz`."""
