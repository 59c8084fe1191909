module github.com/atrawog/mcp-oauth-gateway/oauthdyn

go 1.26.0
