# larder in a slim image: glibc and its allocator, because the ledger of memory counts on malloc_trim, and what musl's
# allocator keeps would come on top of maxmemory.
#
#   docker build -t larder .
#   docker run -p 6379:6379 -p 11211:11211 larder --maxmemory=2gb --requirepass=secret
#
# Parameters are arguments, as above, or variables (-e LARDER_maxmemory=2gb), or a file (-v ./my.conf:/etc/larder/larder.conf).
#
# io_uring: Docker's default seccomp profile has forbidden it since 25.0. larder then says so in its first lines and in
# INFO and goes on with epoll, which costs throughput and nothing else. To permit it, take Docker's own profile, add
# io_uring_setup, io_uring_enter and io_uring_register to its list of permitted calls, and run with
# --security-opt seccomp=that-profile.json (or seccomp=unconfined where that is acceptable). INFO's io_driver says what runs.
#
# Limits: larder takes processors from the cgroup's quota (--cpus) and 80 % of its memory (--memory) where nothing else is said.
#
# tests/container/run builds this file's instructions and runs the image.

FROM rust:1-slim-bookworm AS build
WORKDIR /src
COPY . .
# Symbols are three quarters of the binary, and no one has a debugger in there.
RUN cargo build --release --locked --bin larder && strip --strip-unneeded target/release/larder

FROM debian:bookworm-slim
# The user by number, as USER below. Its home is where a warm restart file would lie; it may write to its configuration
# (CONFIG REWRITE), and to nothing else.
RUN groupadd --gid 11211 larder \
    && useradd --uid 11211 --gid larder --home-dir /var/lib/larder --create-home --shell /usr/sbin/nologin larder \
    && install -d -o larder -g larder /etc/larder
COPY --from=build /src/target/release/larder /usr/bin/larder
COPY --chown=11211:11211 packaging/larder.conf /etc/larder/larder.conf
COPY LICENSE /usr/share/doc/larder/copyright
# By number, so that Kubernetes knows that it is not root.
USER 11211:11211
WORKDIR /var/lib/larder
VOLUME /var/lib/larder
EXPOSE 6379 11211
# The shell asks, because the image has no client: what answers is well, also where it wants a password first. Another port
# is best given as a variable, which this line reads too.
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s \
    CMD ["/bin/bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/${LARDER_port:-6379} && printf 'PING\\r\\n' >&3 && read -r -t 2 line <&3 && [[ $line = +PONG* || $line = -NOAUTH* ]]"]
# Inside its own network namespace loopback would reach nobody. Others are served once there is a password (--requirepass,
# --memcache_auth_file), or with --protected-mode=no.
ENTRYPOINT ["/usr/bin/larder", "/etc/larder/larder.conf", "--bind=* -::*"]
STOPSIGNAL SIGTERM
