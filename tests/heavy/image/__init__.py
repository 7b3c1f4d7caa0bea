"""The image: built from our Dockerfile without a container daemon, and looked at from inside."""
