// Package posthorn is what the product is, without the machinery: the nouns (tenant, user, activity, event), the rules
// that hold for them, and the use cases that people and machines ask for.
//
// It imports the standard library and google/uuid only. Whatever it needs from the outside (a database, a password
// hash, a clock that can be read with time.Now) comes in through small interfaces declared beside their consumer. The
// packages around it translate: package web turns requests into calls and answers, package postgres keeps the rows.
//
// A reader who is new here starts with id.go (what ids look like), activity.go and activity_input.go (the record and the
// rules of its ingest), event.go (what Posthorn tells the world) and accounts.go (who may sign in).
package posthorn
