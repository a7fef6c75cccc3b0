# The operator's image: codeexec-controller (which carries codeexec-runner in itself) and the kubectl plugin.
#
#   docker build -t codeexec-controller:dev .
#
# Needs nothing but the base image and Debian's packages.
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS build
WORKDIR /src
COPY hack/install-deps hack/install-deps
RUN hack/install-deps build && rm -rf /var/lib/apt/lists/*
COPY . .
RUN hack/build release --target codeexec-controller kubectl-codeexec \
 && install -Dm755 -s -t /out/usr/local/bin build/release/bin/codeexec-controller build/release/bin/kubectl-codeexec \
 && install -Dm644 -t /out/usr/share/doc/codeexec LICENSE

FROM ${BASE}
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates libssl3 libspdlog1.10 libyaml-cpp0.7 zlib1g \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /out/ /
LABEL org.opencontainers.image.title="codeexec-controller" \
      org.opencontainers.image.description="Kubernetes operator that runs untrusted code in gVisor from a custom resource" \
      org.opencontainers.image.licenses="Apache-2.0"
# Numeric, so that runAsNonRoot can be checked by the kubelet. Nothing is written: readOnlyRootFilesystem holds.
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/codeexec-controller"]
