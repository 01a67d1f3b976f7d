// Package app puts Posthorn together: it opens the database (the private one or the one of DATABASE_URL), builds the use
// cases on top, and runs the server until it is told to stop. The commands and the end-to-end tests both start here.
package app
