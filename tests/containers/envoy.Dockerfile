# A real Envoy with the libraries that it needs, and the configurations of examples/envoy.
FROM scratch
COPY . /
ENTRYPOINT ["/envoy", "-l", "error", "--concurrency", "1", "--disable-hot-restart"]
CMD ["-c", "/istio.yaml"]
