# One image: `serve` (the default), `worker`, `migrate` and every other command of crm-graph.

FROM python:3.11-slim AS build
WORKDIR /src
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/crm-graph
COPY requirements.lock ./
RUN /opt/crm-graph/bin/pip install --quiet --require-hashes --no-deps -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY migrations migrations
COPY src src
RUN /opt/crm-graph/bin/pip install --quiet --no-deps --no-build-isolation . \
    && /opt/crm-graph/bin/pip uninstall --quiet --yes hatchling editables trove-classifiers

FROM python:3.11-slim
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin crm-graph \
    && install --directory --owner=crm-graph /var/lib/crm-graph
COPY --from=build /opt/crm-graph /opt/crm-graph
ENV PATH=/opt/crm-graph/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    CRM_GRAPH_HOME=/var/lib/crm-graph \
    HOST=0.0.0.0 \
    PORT=8000
USER crm-graph
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/health/ready', timeout=4)"]
ENTRYPOINT ["crm-graph"]
CMD ["serve"]
