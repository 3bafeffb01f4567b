# One image for worker, beat, migrations and the command line. Build: docker build -t reconciliation-workers .
FROM python:3.11-slim-bookworm AS build

# Which broker SDKs to install, e.g. --build-arg EXTRAS=postgres,alpaca,ibkr
ARG EXTRAS=postgres
WORKDIR /src
RUN python -m venv /opt/venv
COPY pyproject.toml hatch_build.py README.md LICENSE celeryconfig.py ./
COPY reconciliation reconciliation
COPY tasks tasks
RUN /opt/venv/bin/pip install --no-cache-dir ".[$EXTRAS]"


FROM python:3.11-slim-bookworm

# A number, so that an orchestrator can see that it is not root.
RUN useradd --system --uid 10001 --home-dir /app --create-home --shell /usr/sbin/nologin reconciliation
COPY --from=build /opt/venv /opt/venv
# REMAP_SIGTERM: `docker stop` gives running tasks 10 s to end, then hands their messages back (celeryconfig.py).
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    REMAP_SIGTERM=SIGQUIT
WORKDIR /app
# So that `celery -A tasks` works here, too.
COPY celeryconfig.py ./
COPY tasks tasks
USER 10001

# A worker that is busy answers, one whose main loop is stuck does not. Beat has its own check in docker-compose.yml.
HEALTHCHECK --interval=30s --timeout=20s --start-period=60s --retries=3 \
    CMD reconcile celery inspect ping -d "celery@$HOSTNAME" --timeout 5 >/dev/null
CMD ["reconcile", "worker"]
