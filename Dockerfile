# iothub-emulator in a small image. Build:
#   docker build --build-arg COMMIT=$(git describe --always --dirty) -t iothub-emulator .
# scripts/soak image builds and starts it, without a container engine.

FROM debian:12 AS build
WORKDIR /src
COPY scripts scripts
RUN apt-get update && scripts/deps build && apt-get clean
COPY . .
# What --version and /version say: .git stays outside.
ARG COMMIT=
RUN scripts/build release -DBUILD_TESTING=OFF -DHUB_COMMIT="$COMMIT" \
 && cmake --install build/release --prefix /opt/iothub --strip

FROM debian:12-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends \
      libqpid-proton11 libqpid-proton-cpp12 libsqlite3-0 libssl3 libcap2-bin \
 && apt-get clean \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --create-home iothub \
 && install -d -o iothub -g iothub /data /tls
COPY --from=build /opt/iothub/bin/ /usr/local/bin/
# Port 443 without root. Permitted, not effective: it starts where the capability is dropped, too.
RUN setcap cap_net_bind_service=+p /usr/local/bin/iothub-emulator
USER iothub

# 8883 MQTT, 5671 AMQP, 443 HTTPS and both over WebSocket, 9400 control API.
EXPOSE 8883 5671 443 9400
# /tls holds the development CA (ca.pem is also at GET /ca.pem of the control API); a volume keeps it
# from changing. /data is used only with --data /data.
VOLUME ["/tls", "/data"]

# The binary asks the control API of the running instance for /health: exit 0 when it answers.
HEALTHCHECK --interval=5s --timeout=3s --start-period=5s CMD ["iothub-emulator", "--health"]

# In a container, loopback is nobody's: both listeners have to be open. The emulator then makes a
# random key, unless one is given with --key: see docker-compose.yml for local use.
ENTRYPOINT ["iothub-emulator", "--listen", "0.0.0.0", "--control-listen", "0.0.0.0", "--tls-dir", "/tls"]
