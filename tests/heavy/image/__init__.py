"""The image, built from our Dockerfile without a container daemon, and inspected from inside."""
