#!/bin/sh
# Builds the image with buildah, or with docker if buildah is not installed.
#
#   IMAGE=name:tag  BASE=python:3.12-slim@sha256:DIGEST  scripts/build_image.sh [BUILD-OPTION...]
#
# PLATFORMS=linux/amd64,linux/arm64 builds for several platforms. OCI_ARCHIVE=FILE also writes the
# image to a file. BUILT="COMMIT DATE" replaces what git says, for a tree without it.

set -eu
cd "$(dirname "$0")/.."

version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' rdma_dp/__init__.py)
image=${IMAGE:-rdma-dp:$version}
base=${BASE:-python:3.12-slim}
built=${BUILT:-}
if [ -z "$built" ] && commit=$(git describe --always --dirty --abbrev=12 --exclude='*' 2>/dev/null); then
    built="$commit $(git show --no-patch --format=%cs)"
fi

set -- --build-arg BASE="$base" --build-arg BUILT="$built" \
    --label org.opencontainers.image.version="$version" \
    --label org.opencontainers.image.revision="${built%% *}" \
    --label org.opencontainers.image.base.name="$base" "$@"
# All layers have the date of the commit.
[ -z "${SOURCE_DATE_EPOCH:-}" ] ||
    set -- --label org.opencontainers.image.created="$(date -u -d "@$SOURCE_DATE_EPOCH" +%FT%TZ)" "$@"

if command -v buildah >/dev/null; then
    [ -z "${SOURCE_DATE_EPOCH:-}" ] || set -- --timestamp "$SOURCE_DATE_EPOCH" "$@"
    if [ -z "${PLATFORMS:-}" ]; then
        buildah bud "$@" --tag "$image" .
        [ -z "${OCI_ARCHIVE:-}" ] || buildah push "$image" "oci-archive:$OCI_ARCHIVE:$image"
    else
        buildah manifest rm "$image" 2>/dev/null || true
        buildah bud "$@" --platform "$PLATFORMS" --manifest "$image" .
        [ -z "${OCI_ARCHIVE:-}" ] || buildah manifest push --all "$image" "oci-archive:$OCI_ARCHIVE:$image"
    fi
elif command -v docker >/dev/null; then
    [ -z "${PLATFORMS:-}" ] || set -- --platform "$PLATFORMS" "$@"
    if [ -z "${OCI_ARCHIVE:-}" ]; then
        docker build "$@" --tag "$image" .
    else
        docker buildx build "$@" --tag "$image" --output "type=oci,dest=$OCI_ARCHIVE" .
    fi
else
    echo "make image: found neither buildah nor docker; install one of them" >&2
    exit 1
fi
