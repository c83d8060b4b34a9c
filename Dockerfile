# Packages are installed in one image and copied into the next: pip's leftovers stay behind.
FROM python:3.14-slim AS build
# A mirror of the package index, if there is one: docker build --build-arg PIP_INDEX_URL=...
ARG PIP_INDEX_URL
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# What sends to an OpenTelemetry collector, if it is wanted: docker build --build-arg OTEL=1
ARG OTEL
COPY requirements.txt requirements-otel.txt ./
RUN python -m venv /venv && \
    /venv/bin/pip install --no-deps --require-hashes -r requirements.txt ${OTEL:+-r requirements-otel.txt}

FROM python:3.14-slim
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOST=0.0.0.0 PORT=8000 ENVIRONMENT=production \
    FLASK_SKIP_DOTENV=1
COPY --from=build /venv /venv
WORKDIR /srv
COPY pyproject.toml config.py gunicorn.conf.py wsgi.py ./
COPY migrations migrations
COPY app app
COPY serving serving
COPY settings settings
COPY steadypool steadypool
# A number, so that Kubernetes can see it is not root. Nothing in /srv belongs to it: it cannot change its own code.
USER 10001:10001
EXPOSE 8000
# There is no curl in the image, and http.client does not ask a proxy the way urllib does.
HEALTHCHECK --interval=5s --timeout=4s --retries=3 --start-period=30s CMD ["python", "-c", "\
import http.client, os, sys\n\
probe = http.client.HTTPConnection('127.0.0.1', int(os.environ['PORT']), timeout=3)\n\
probe.request('GET', '/readyz')\n\
sys.exit(probe.getresponse().status != 200)"]
STOPSIGNAL SIGTERM
CMD ["python", "-m", "gunicorn"]
