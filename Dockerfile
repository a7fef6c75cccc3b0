# The operator's image: codeexec-controller (which carries codeexec-runner within itself) and the kubectl plugin, the
# libraries they load, and nothing else: no shell, no package manager.
#
#   docker build --build-arg COMMIT="$(git rev-parse --short=12 HEAD)" -t codeexec-controller:0.1.0 .
#
# Needs the base image and Debian's packages; hack/image does without a registry and without Docker.
ARG BASE=debian:bookworm-slim
# As in CMakeLists.txt; a test compares them.
ARG VERSION=0.1.0
ARG COMMIT=unknown

FROM ${BASE} AS build
WORKDIR /src
COPY hack/install-deps hack/install-deps
RUN hack/install-deps build image && rm -rf /var/lib/apt/lists/*
COPY . .
ARG VERSION
ARG COMMIT
RUN CODEEXEC_COMMIT="$COMMIT" hack/build release --target codeexec-controller kubectl-codeexec
RUN hack/image-root build/release/bin /image "$VERSION" "$COMMIT"

FROM scratch
ARG VERSION
ARG COMMIT
COPY --from=build /image/ /
LABEL org.opencontainers.image.title="codeexec-controller" \
      org.opencontainers.image.description="Kubernetes operator that runs untrusted code in gVisor from a custom resource" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$COMMIT" \
      org.opencontainers.image.licenses="Apache-2.0"
# Numeric, so that runAsNonRoot can be checked by the kubelet. Nothing is written: readOnlyRootFilesystem holds.
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/codeexec-controller"]
