# Builds the image of perftest-pods.yaml.
#
#   docker build -t perftest -f deploy/network-operator/perftest.Dockerfile deploy/network-operator
FROM debian:stable-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends \
        ibverbs-providers ibverbs-utils iproute2 perftest rdmacm-utils \
    && rm -rf /var/lib/apt/lists/*
