# Builds Panvault, and keeps the program and the libraries that it loads: no shell, no other user than 65532. It runs on a read-only
# file system; what it writes is in /data. docs/running.md has the commands.
FROM rust:1.91-bookworm AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY crates crates
COPY xtask xtask
COPY packaging packaging
RUN cargo build --profile dist --locked --package panvault \
    && packaging/image-root.sh target/dist/panvault /image \
    && install -d -m 700 /volumes/data /volumes/keys

FROM scratch
COPY --from=build /image /
# New volumes take owner and mode from here.
COPY --from=build --chown=65532:65532 /volumes /
USER 65532:65532
VOLUME ["/data", "/keys"]
EXPOSE 8420
# It asks over the socket that a server has in its directory; for how long a start may take, nobody is told that it is not ready.
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s CMD ["/usr/bin/panvault", "status", "--config", "/data/vault.settings.toml"]
ENTRYPOINT ["/usr/bin/panvault"]
CMD ["serve", "--config", "/data/vault.settings.toml"]
