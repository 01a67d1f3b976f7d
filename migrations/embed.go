// Package migrations holds the schema of Posthorn as numbered SQL files, forward only. Package postgres runs them at
// start, under an advisory lock. A file that has been released is never edited; a change is a new file.
package migrations

import "embed"

// FS holds the migration files, read by goose in the order of their numbers.
//
//go:embed *.sql
var FS embed.FS
