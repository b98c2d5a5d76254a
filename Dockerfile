# The relay, for `docker compose` and as a pattern for one's own image.
# Not slim: it has the C compiler for the relay's encoder.
FROM python:3.13 AS build
WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY outbox outbox
COPY relay relay
RUN python -m venv /opt/venv && /opt/venv/bin/pip install --no-cache-dir -c constraints.txt '.[relay]'

FROM python:3.13-slim
COPY --from=build /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1
RUN useradd --uid 10001 --create-home outbox
USER 10001
ENTRYPOINT ["relay"]
CMD ["run"]
