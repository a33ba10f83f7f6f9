# Images for every platform, compiled on the machine that builds them:
#
#   docker buildx build --platform linux/amd64,linux/arm64 --target wrapper -t registry.example.com/wrapper:0.1.0 --push .
#
#   wrapper   /wrapper, to be copied into an image: COPY --from=registry.example.com/wrapper:0.1.0 /wrapper /wrapper
#   slim      the same without a compiler: takes the built-in plugins and .cwasm files only
#   plugins   /*.wasm and nothing else, for a pod's image volume
#   tool      /wrapper-plugin, for authors of plugins and for image builds
#
# The binaries are static and need nothing of the base: `--build-arg BASE=scratch` will do.
ARG BASE=gcr.io/distroless/static:nonroot
# Any with rustup, or Debian's own compiler.
ARG RUST=rust:1.95-bookworm

FROM --platform=$BUILDPLATFORM ${RUST} AS source
WORKDIR /src
COPY scripts/setup scripts/setup
ARG TARGETARCH
RUN scripts/setup wasm "cross-$TARGETARCH"
COPY . .

FROM source AS build-wrapper
ARG TARGETARCH
RUN scripts/build "$TARGETARCH" /out wrapper

FROM source AS build-slim
ARG TARGETARCH
RUN scripts/build "$TARGETARCH" /out slim

FROM source AS build-tool
ARG TARGETARCH
RUN scripts/build "$TARGETARCH" /out tool

# The same for every CPU.
FROM source AS build-plugins
ARG TARGETARCH
RUN scripts/build "$TARGETARCH" /out plugins

FROM ${BASE} AS base
ARG BASE
ARG VERSION=0.1.0
ARG REVISION=
LABEL org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${BASE}"
# By number, so that a kubelet can tell that it is not root: an empty image has no names of users.
USER 65532:65532

FROM base AS slim
LABEL org.opencontainers.image.title="wrapper-slim" \
      org.opencontainers.image.description="Container entrypoint that runs sandboxed WebAssembly hooks around a program; built-in and compiled plugins only"
COPY --from=build-slim /out/wrapper-slim /wrapper
ENTRYPOINT ["/wrapper"]

FROM base AS tool
LABEL org.opencontainers.image.title="wrapper-plugin" \
      org.opencontainers.image.description="Makes, checks, runs and compiles plugins of wrapper"
COPY --from=build-tool /out/wrapper-plugin /wrapper-plugin
ENTRYPOINT ["/wrapper-plugin"]

FROM scratch AS plugins
ARG VERSION=0.1.0
ARG REVISION=
LABEL org.opencontainers.image.title="wrapper-plugins" \
      org.opencontainers.image.description="The built-in plugins of wrapper as WebAssembly components, for every CPU" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build-plugins /out/plugins/ /

# The last one is what `docker build .` makes.
FROM base AS wrapper
LABEL org.opencontainers.image.title="wrapper" \
      org.opencontainers.image.description="Container entrypoint that runs sandboxed WebAssembly hooks around a program"
COPY --from=build-wrapper /out/wrapper /wrapper
ENTRYPOINT ["/wrapper"]
