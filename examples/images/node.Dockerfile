# shproxy with Node.js, in front of an MCP server from npm.
ARG SHPROXY_VERSION=v0.1.0
ARG NODE_VERSION=22.23.3
FROM ghcr.io/atrawog/mcp-oauth-gateway/shproxy:${SHPROXY_VERSION} AS shproxy

FROM node:${NODE_VERSION}-bookworm-slim
# Installed here, not by npx at each start: what runs was there when the image was
# built, and starts at once, without a network.
ARG PACKAGE=@modelcontextprotocol/server-everything@2026.8.31
RUN npm install --global --ignore-scripts --no-audit --no-fund "$PACKAGE" && npm cache clean --force
COPY --from=shproxy /usr/local/bin/shproxy /usr/local/bin/shproxy
RUN install -d -o 65532 -g 65532 -m 0700 /data
ENV HOME=/data
USER 65532:65532
WORKDIR /data
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=15s --start-period=30s CMD ["/usr/local/bin/shproxy", "healthcheck", "http://127.0.0.1:9090/readyz"]
ENTRYPOINT ["/usr/local/bin/shproxy"]
CMD ["--host", "0.0.0.0", "--admin-addr", "127.0.0.1:9090", "--token-file", "/run/secrets/tokens", "--", "mcp-server-everything"]
