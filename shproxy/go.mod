module github.com/atrawog/mcp-oauth-gateway/shproxy

go 1.26.0
