// Package testkit is for tests only: no other package may import it.
//
// It gives every test a real PostgreSQL database of its own, migrated and with partitions, by cloning a template. A
// package whose tests need one has
//
//	func TestMain(m *testing.M) { testkit.Main(m) }
//
// and its tests call DB, or URL where they open the database themselves.
//
// The server is the one that POSTHORN_TEST_DATABASE_URL names (as a superuser: one test makes a role), else a
// private one below the temporary folder, which all test processes of a user share: the first starts it and the last
// stops it. It runs without fsync. A test that stops, kills or reconfigures a server takes one of its own with Server.
package testkit
