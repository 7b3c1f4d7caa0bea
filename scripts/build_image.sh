#!/bin/sh
# Builds the image with buildah, or with docker if buildah is not installed.
#
#   IMAGE=name:tag  BASE=python:3.12-slim@sha256:DIGEST  scripts/build_image.sh

set -eu
cd "$(dirname "$0")/.."

image=${IMAGE:-rdma-dp:$(sed -n 's/^__version__ = "\(.*\)"/\1/p' rdma_dp/__init__.py)}
base=${BASE:-python:3.12-slim}

if command -v buildah >/dev/null; then
    exec buildah bud --build-arg BASE="$base" --tag "$image" .
elif command -v docker >/dev/null; then
    exec docker build --build-arg BASE="$base" --tag "$image" .
fi
echo "make image: found neither buildah nor docker; install one of them" >&2
exit 1
