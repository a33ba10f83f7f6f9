# An image that holds the wrapper and nothing else, to run a program under it or to copy it from:
#   COPY --from=wrapper /wrapper /wrapper
#   ENTRYPOINT ["/wrapper", "/my-job"]

# The wrapper is static: any base will do, `scratch` too.
ARG BASE=gcr.io/distroless/static:nonroot
ARG RUST=rust:1.95-bookworm

FROM ${RUST} AS build
RUN rustup target add wasm32-unknown-unknown
WORKDIR /src
COPY . .
# `--build-arg FEATURES=--no-default-features` makes the slim one, which takes built-ins and .cwasm only.
ARG FEATURES=
RUN cargo build --release --locked --config .cargo/release.toml --package wrapper ${FEATURES} && cp target/*/release/wrapper /wrapper

FROM ${BASE}
COPY --from=build /wrapper /wrapper
ENTRYPOINT ["/wrapper"]
