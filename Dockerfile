# The image of rdma-dp. Two stages: the first has pip, the second only what runs.
#
#   make image                      (buildah or docker)
#   docker build -t rdma-dp .       BASE and PYTHON may be set for another base

ARG BASE=python:3.12-slim

FROM ${BASE} AS build
ARG PYTHON=python3
WORKDIR /src
# The virtual environment is made where it will run: its scripts name their interpreter.
RUN ${PYTHON} -m venv /opt/rdma-dp
COPY requirements.lock .
RUN /opt/rdma-dp/bin/python -m pip install --no-cache-dir --no-compile --require-hashes \
        -r requirements.lock
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY rdma_dp rdma_dp
# Bytecode is made here, once: without it each start takes five times as long, and a read-only root
# could never keep it. "unchecked-hash": it is not compared with the sources at every start.
RUN /opt/rdma-dp/bin/python -m pip install --no-cache-dir --no-compile --no-deps . \
    && /opt/rdma-dp/bin/python -m pip uninstall --quiet --yes setuptools pip \
    && /opt/rdma-dp/bin/python -m compileall -q --invalidation-mode unchecked-hash \
        /opt/rdma-dp/lib/*/site-packages

FROM ${BASE}
# Network Operator runs this image as an init container too: sh -c "until lsmod | grep ...; do sleep
# ...". The slim bases have sh, grep and sleep; lsmod is kmod's.
RUN command -v lsmod >/dev/null || { apt-get update \
    && apt-get install --yes --no-install-recommends kmod \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt /var/log/apt /var/log/dpkg.log; }
COPY --from=build /opt/rdma-dp /opt/rdma-dp
# The path that the operator's DaemonSet runs, whatever the ENTRYPOINT says.
RUN ln -s /opt/rdma-dp/bin/k8s-rdma-shared-dp /bin/k8s-rdma-shared-dp \
    && ln -s /opt/rdma-dp/bin/rdma-dp /bin/rdma-dp
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
ENTRYPOINT ["/bin/rdma-dp"]
CMD ["run"]
