module github.com/atrawog/mcp-oauth-gateway/shclient

go 1.26.0

require (
	github.com/atrawog/mcp-oauth-gateway/oauthdyn v0.1.0
	github.com/atrawog/mcp-oauth-gateway/shproxy v0.1.0
	github.com/modelcontextprotocol/go-sdk v1.8.0
	github.com/rogpeppe/go-internal v1.16.0
	github.com/spf13/cobra v1.10.2
	github.com/spf13/pflag v1.0.9
	golang.org/x/sync v0.24.0
	golang.org/x/term v0.47.0
)
