# shproxy with Python and uv, in front of an MCP server from PyPI.
ARG SHPROXY_VERSION=v0.1.0
ARG UV_VERSION=0.13.9
ARG PYTHON_VERSION=3.13
FROM ghcr.io/atrawog/mcp-oauth-gateway/shproxy:${SHPROXY_VERSION} AS shproxy
FROM ghcr.io/astral-sh/uv:${UV_VERSION} AS uv

FROM python:${PYTHON_VERSION}-slim-bookworm
COPY --from=uv /uv /uvx /usr/local/bin/
ENV UV_TOOL_DIR=/opt/tools UV_TOOL_BIN_DIR=/usr/local/bin UV_PYTHON_DOWNLOADS=never
# Installed here, not by uvx at each start: what runs was there when the image was
# built, and starts at once, without a network.
ARG PACKAGE=mcp-server-time==2026.10.19
RUN uv tool install --no-cache --compile-bytecode "$PACKAGE"
COPY --from=shproxy /usr/local/bin/shproxy /usr/local/bin/shproxy
RUN install -d -o 65532 -g 65532 -m 0700 /data
ENV HOME=/data
USER 65532:65532
WORKDIR /data
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=15s --start-period=30s CMD ["/usr/local/bin/shproxy", "healthcheck", "http://127.0.0.1:9090/readyz"]
ENTRYPOINT ["/usr/local/bin/shproxy"]
CMD ["--host", "0.0.0.0", "--admin-addr", "127.0.0.1:9090", "--token-file", "/run/secrets/tokens", "--", "mcp-server-time"]
