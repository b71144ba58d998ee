# The gateway in a container. It speaks multicast with the units, so it wants the host's network (config/compose.yaml).
FROM debian:bookworm-slim AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*
COPY . /src
RUN python3 -m venv /opt/ocpp-echonet \
    && /opt/ocpp-echonet/bin/pip install --no-cache-dir --disable-pip-version-check /src

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3 ca-certificates tzdata \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --no-create-home --home-dir /var/lib/ocpp-echonet --shell /usr/sbin/nologin ocpp-echonet \
    && install --directory --owner ocpp-echonet --mode 0700 /var/lib/ocpp-echonet \
    && install --directory /etc/ocpp-echonet
COPY --from=build /opt/ocpp-echonet /opt/ocpp-echonet
ENV PATH=/opt/ocpp-echonet/bin:$PATH PYTHONUNBUFFERED=1
# By number, so that a runtime can see that it is not root.
USER 10001
VOLUME /var/lib/ocpp-echonet
STOPSIGNAL SIGTERM
ENTRYPOINT ["ocpp-echonet"]
CMD ["run", "--config", "/etc/ocpp-echonet/site.yaml"]
