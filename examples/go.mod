module github.com/atrawog/mcp-oauth-gateway/examples

go 1.26.0
