"""Generated from protos/ by scripts/generate_api.py: messages, services and their types."""
