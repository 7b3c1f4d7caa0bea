"""What `make release` makes: all of dist/, with an image on a base from Debian's packages."""
