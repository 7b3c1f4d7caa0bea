"""What people and programs get to see: JSON documents and tables."""
