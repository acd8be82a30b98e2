# larder in a slim image: glibc and its allocator, because the ledger of memory counts on malloc_trim, and what musl's
# allocator keeps would come on top of maxmemory.
#
#   docker build -t larder .
#   docker run -p 6379:6379 -p 11211:11211 larder --maxmemory=2gb --requirepass=secret
#
# io_uring: Docker's default seccomp profile has forbidden it since 25.0. larder then says so in its first lines and in
# INFO and goes on with epoll, which costs throughput and nothing else. To permit it, take Docker's own profile, add
# io_uring_setup, io_uring_enter and io_uring_register to its list of permitted calls, and run with
# --security-opt seccomp=that-profile.json (or seccomp=unconfined where that is acceptable). INFO's io_driver says what runs.
#
# Limits: larder takes processors from the cgroup's quota (--cpus) and 80 % of its memory (--memory) where nothing else is said.

FROM rust:1-slim-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked --bin larder

FROM debian:bookworm-slim
RUN groupadd --gid 11211 larder \
    && useradd --uid 11211 --gid larder --home-dir /var/lib/larder --create-home --shell /usr/sbin/nologin larder
COPY --from=build /src/target/release/larder /usr/bin/larder
COPY packaging/larder.conf /etc/larder/larder.conf
COPY LICENSE /usr/share/doc/larder/LICENSE
# By number, so that Kubernetes knows that it is not root.
USER 11211:11211
WORKDIR /var/lib/larder
EXPOSE 6379 11211
# Inside its own network namespace loopback would reach nobody. Others are served once there is a password (--requirepass,
# --memcache_auth_file), or with --protected-mode=no.
ENTRYPOINT ["/usr/bin/larder", "/etc/larder/larder.conf", "--bind=* -::*"]
STOPSIGNAL SIGTERM
