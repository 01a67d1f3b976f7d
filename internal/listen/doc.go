// Package listen is a receiver of webhooks for people who build one: it verifies what arrives as a receiver should, prints
// it, and answers as it is told, so that retries, timeouts and Retry-After can be watched from the other side.
package listen
