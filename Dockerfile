# The image of rdma-dp. The first stage has pip. The second has only what rdma-dp needs to run.
#
#   make image                      (buildah or docker)
#   docker build -t rdma-dp .       set BASE and PYTHON for another base image
#
# Everything that pip installs is pinned by hash: the dependencies, and the tools that build the wheel.
# A tag of the base image can move. For a build that can be repeated, name its digest as well:
#
#   docker buildx imagetools inspect python:3.12-slim --format '{{.Manifest.Digest}}'
#   make image BASE=python:3.12-slim@sha256:DIGEST

ARG BASE=python:3.12-slim

FROM ${BASE} AS build
ARG PYTHON=python3
WORKDIR /src
# The virtual environment has the same path in both stages: its scripts contain the interpreter's path.
# Only /build has pip. It also installs into the other one.
RUN ${PYTHON} -m venv --without-pip /opt/rdma-dp && ${PYTHON} -m venv /build
COPY requirements.lock requirements-build.lock ./
RUN /build/bin/python -m pip --python /opt/rdma-dp/bin/python install --no-cache-dir --no-compile \
        --require-hashes -r requirements.lock
RUN /build/bin/python -m pip install --no-cache-dir --no-compile --require-hashes \
        -r requirements-build.lock
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY rdma_dp rdma_dp
# "COMMIT DATE", for --version. scripts/build_image.sh sets it.
ARG BUILT=""
RUN test -z "${BUILT}" || echo "${BUILT}" >rdma_dp/built.txt
# Without isolation, pip builds with the tools in /build. With it, pip would download its own.
RUN /build/bin/python -m pip wheel --no-cache-dir --no-deps --no-index --no-build-isolation \
        --wheel-dir /wheel .
# Compile the bytecode here. Without it, each start takes five times as long, and a read-only root file
# system could not store it. "unchecked-hash": Python does not compare it with the sources at start.
RUN /build/bin/python -m pip --python /opt/rdma-dp/bin/python install --no-cache-dir --no-compile \
        --no-deps --no-index /wheel/*.whl \
    && /opt/rdma-dp/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash \
        /opt/rdma-dp/lib/*/site-packages

FROM ${BASE}
LABEL org.opencontainers.image.title="rdma-dp" \
    org.opencontainers.image.description="An RDMA shared device plugin for Kubernetes" \
    org.opencontainers.image.licenses="Apache-2.0"
# Network Operator also runs this image as an init container: sh -c "until lsmod | grep ...; do sleep
# ...". The slim base images have sh, grep and sleep. lsmod is in the package kmod.
# tini is the first process of the container. Its release is pinned, and Debian signs the package.
RUN { command -v lsmod && test -x /usr/bin/tini-static; } >/dev/null || { apt-get update \
    && apt-get install --yes --no-install-recommends kmod "tini=0.19.0-*" \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt /var/log/apt /var/log/dpkg.log; }
COPY --from=build /opt/rdma-dp /opt/rdma-dp
# The kernel discards a signal for the first process of a container while that process has no handler
# for it. Python takes some 50 ms until it has one. So tini runs first and passes signals on. It blocks
# them from its first instructions on, and the static one has nothing to load before that.
#
# Pods set `command`, so they do not use the ENTRYPOINT: Network Operator runs /bin/k8s-rdma-shared-dp,
# and the manifests in deploy/ run /bin/rdma-dp. So the scripts themselves have an interpreter that
# begins with tini. No shell runs before it.
COPY scripts/under_tini.py /opt/rdma-dp/bin/under-tini
RUN cd /opt/rdma-dp/bin && chmod 755 under-tini \
    && sed -i '1s|^#!.*|#!/opt/rdma-dp/bin/under-tini --|' rdma-dp k8s-rdma-shared-dp \
    && ln -s /opt/rdma-dp/bin/k8s-rdma-shared-dp /bin/k8s-rdma-shared-dp \
    && ln -s /opt/rdma-dp/bin/rdma-dp /bin/rdma-dp \
    && ln -s /opt/rdma-dp/bin/rdma-dp-probe /bin/rdma-dp-probe
# TINI_SUBREAPER: tini does not warn where it is not the first process, as with `kubectl exec`.
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 TINI_SUBREAPER=1
ENTRYPOINT ["/bin/rdma-dp"]
CMD ["run"]
