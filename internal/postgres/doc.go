// Package postgres is the only package that knows SQL. It keeps the rows behind the types of package posthorn, and turns
// what the database says into posthorn's one error type.
//
// db.go opens the pool that pgx (the hot path, everything that needs a transaction) and gorm (single statements of
// plain create, read, update and delete) share. migrate.go brings the schema up to date. translate.go is the only reader
// of SQLSTATE and constraint names.
//
// # Partitions
//
// The tables that grow are partitioned by id. Ids are UUIDv7, so a stretch of time is a range of ids: a lookup by id
// touches one partition, and dropping what is past its retention is dropping a table. partitions_plan.go decides which
// ranges are missing, partitions.go makes them and partitions_drop.go removes them, and Maintenance in maintenance.go
// sees to both.
//
// None of that may wait behind a reader, nor make others wait. A partition is created as a table of its own and then
// attached, which readers do not notice. It is dropped in steps that each leave a state the next run can go on from:
// it is marked (a comment on the table), detached concurrently, and dropped. When an open transaction holds the detaching
// up, the step is given up after a few seconds and completed with FINALIZE, at once or in a later run.
//
// # Locks
//
// What only one process may do at a time (migrations, making partitions, cleaning up) runs under an advisory lock of a
// transaction, not of a session: it also holds behind a pooler that lends a server connection for a transaction only.
package postgres
