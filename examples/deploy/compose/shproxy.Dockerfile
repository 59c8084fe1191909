# shproxy, with Node.js and the servers that mcp.json names.
ARG SHPROXY_VERSION=v0.1.0
FROM ghcr.io/atrawog/mcp-oauth-gateway/shproxy:${SHPROXY_VERSION} AS shproxy

FROM node:24-slim
RUN npm install --global --no-audit --no-fund --ignore-scripts \
    @modelcontextprotocol/server-everything@2026.8.31
COPY --from=shproxy /usr/local/bin/shproxy /usr/local/bin/shproxy
USER 65532:65532
WORKDIR /tmp
ENTRYPOINT ["/usr/local/bin/shproxy"]
