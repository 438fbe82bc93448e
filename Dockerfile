# syntax=docker/dockerfile:1
# One image for hub and stations. Runs as nobody in particular, needs no capability, and works on a read-only root: all
# it writes is under /data (a volume) and /tmp (a tmpfs).
#
#   docker build -t hotline .
#   docker run --rm -it -v hub:/data hotline hub init /data --name hub.example --listen 0.0.0.0:8443 ...
#   docker run --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges \
#     -v hub:/data -v ./passphrase:/run/passphrase:ro -p 8443:8443 hotline

FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /src
COPY requirements/ requirements/
RUN python -m venv /build && /build/bin/pip install --require-hashes --requirement requirements/build.txt \
    && python -m venv /opt/hotline && /opt/hotline/bin/pip install --require-hashes --requirement requirements/runtime.txt
COPY pyproject.toml README.md LICENSE ./
COPY protocols/ protocols/
COPY mediation/ mediation/
COPY hotline/ hotline/
COPY web/ web/
RUN /build/bin/python -m hatchling build --target wheel --directory /wheel \
    && /opt/hotline/bin/pip install --no-deps --no-index /wheel/*.whl \
    && /opt/hotline/bin/python -m compileall -q /opt/hotline/lib \
    && /opt/hotline/bin/pip uninstall --yes --quiet pip setuptools

FROM python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="Hotline" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV PATH=/opt/hotline/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
RUN groupadd --system --gid 10001 hotline \
    && useradd --system --uid 10001 --gid hotline --home-dir /data --no-create-home --shell /usr/sbin/nologin hotline \
    && install -d -o hotline -g hotline -m 0700 /data
COPY --from=build /opt/hotline /opt/hotline
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8443
STOPSIGNAL SIGTERM
# For a station, override: it has no port of its own to ask (--no-healthcheck).
HEALTHCHECK --interval=30s --timeout=6s --start-period=20s --retries=3 \
    CMD ["python", "-m", "hotline.hub.health", "/data"]
ENTRYPOINT ["hotline"]
CMD ["hub", "serve", "/data", "--passphrase-file", "/run/passphrase"]
