module github.com/atrawog/mcp-oauth-gateway/shclient

go 1.26.0
