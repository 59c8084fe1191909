// The root module holds no packages. It exists so that the modules below it
// are stamped with a version when they are built from a clone.
module github.com/atrawog/mcp-oauth-gateway

go 1.26.0
