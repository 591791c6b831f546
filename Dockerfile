# One image for the catalog's web pages and the online server; the command decides.
FROM python:3.12.8-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /build
COPY requirements/runtime.lock requirements/build.lock requirements/
RUN python -m venv /opt/provender \
    && /opt/provender/bin/pip install --require-hashes -r requirements/runtime.lock \
    && python -m venv /opt/build \
    && /opt/build/bin/pip install --require-hashes -r requirements/build.lock
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN /opt/build/bin/hatchling build -t wheel -d /dist \
    && /opt/provender/bin/pip install --no-deps /dist/*.whl

FROM python:3.12.8-slim-bookworm
RUN useradd --uid 10001 --create-home --home-dir /var/lib/provender --shell /usr/sbin/nologin provender
COPY --from=build /opt/provender /opt/provender
WORKDIR /srv/provender
COPY feature_repo feature_repo
COPY catalog catalog
ENV PATH=/opt/provender/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PROVENDER_HOME=/var/lib/provender/state \
    PROVENDER_FEATURE_REPO=/srv/provender/feature_repo \
    PROVENDER_GOVERNANCE=/srv/provender/catalog
USER 10001
RUN mkdir /var/lib/provender/state
VOLUME /var/lib/provender/state
EXPOSE 8400 6566
ENTRYPOINT ["provender"]
CMD ["--help"]
