// Package web is the only place that speaks HTTP to the outside: it turns requests into calls of the use cases in package
// posthorn and their results into JSON, fragments and pages. routes.go tells everything that can be asked for; errors.go
// is the one place where an error becomes a status.
//
// Fiber reuses its buffers between requests. The server is configured to copy (Immutable), handlers copy what they keep
// into typed structs, and neither a *fiber.Ctx nor anything read from it reaches another goroutine.
package web
