# The relay, for `docker compose` and as a pattern for one's own image: see docs/deploying.md.
# Not slim: it has the C compiler for the relay's encoder. Nothing of it stays.
FROM python:3.13 AS build
ARG EXTRAS=relay # with AWS IAM: relay,aws
WORKDIR /source
RUN python -m venv --without-pip /opt/venv
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY outbox outbox
COPY relay relay
RUN python -m pip --python /opt/venv/bin/python install --no-cache-dir -c constraints.txt ".[$EXTRAS]"

FROM python:3.13-slim
LABEL org.opencontainers.image.title="mongo-outbox relay" org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/venv /opt/venv
# The Python of that image comes without bytecode: a probe every few seconds would compile what it imports, and keep nothing.
RUN /opt/venv/bin/python -c "import relay.cli.checking.health, relay.cli.run, relay.kafka.sink, relay.relay"
# Signs of life go to /dev/shm, which can be written to also where the file system cannot.
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 TMPDIR=/dev/shm
# A number, so that Kubernetes can see that it is not root; any other does, too.
USER 10001:10001
# Of this container; with the settings from the environment or RELAY_CONFIG, for it does not know the flags.
HEALTHCHECK --interval=30s --timeout=10s --start-period=20s CMD ["relay", "health", "--self"]
ENTRYPOINT ["relay"]
CMD ["run"]
