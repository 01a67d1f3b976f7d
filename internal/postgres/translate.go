package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/puddle/v2"
	"gorm.io/gorm"

	"posthorn/internal/posthorn"
)

// The SQLSTATE codes and classes that Posthorn tells apart (PostgreSQL manual, appendix A).
const (
	codeUniqueViolation  = "23505"
	codeCheckViolation   = "23514"
	codeQueryCanceled    = "57014"
	codeLockNotAvailable = "55P03"
	codeDeadlock         = "40P01"
	codeReadOnly         = "25006"

	classConnection   = "08"
	classData         = "22"
	classIntegrity    = "23"
	classRollback     = "40"
	classResources    = "53"
	classProgramLimit = "54"
	classOperator     = "57"
)

// conflicts says, for each unique constraint that a person can run into, what to tell them.
var conflicts = map[string]struct{ message, field, problem string }{
	"users_email_key":              {"That email is already in use", posthorn.FieldEmail, "is already in use"},
	"users_external_id_key":        {"That external id already belongs to another user", posthorn.FieldExternalID, "already belongs to another user"},
	"integrations_wallet_id_key":   {"That wallet id already belongs to another integration", posthorn.FieldWalletID, "already belongs to another integration"},
	"applications_external_id_key": {"That external id already belongs to another application", posthorn.FieldExternalID, "already belongs to another application"},
}

// translate turns an error of the database into one of the product; op says what was being done, with its ids, and is
// for the log. It is the only reader of SQLSTATE and constraint names. No row is NotFound, a unique violation is
// Conflict, and a database that is away, overloaded or too slow is Unavailable. Everything else is Internal. An error
// that has a kind already keeps it. No error stays none.
func translate(err error, op string) error {
	if err == nil {
		return nil
	}
	wrapped := fmt.Errorf("%s: %w", op, err)
	if _, ok := errors.AsType[*posthorn.Error](err); ok {
		return wrapped
	}
	switch {
	case errors.Is(err, pgx.ErrNoRows), errors.Is(err, sql.ErrNoRows), errors.Is(err, gorm.ErrRecordNotFound):
		return posthorn.Because(posthorn.NotFound, "Not found", wrapped)
	case sqlState(err) == codeUniqueViolation:
		return conflict(err, wrapped)
	case unavailable(err):
		return posthorn.Because(posthorn.Unavailable, "The database is not available, try again", wrapped)
	default:
		return posthorn.Because(posthorn.Internal, "Something went wrong", wrapped)
	}
}

func conflict(err, wrapped error) error {
	e, _ := errors.AsType[*pgconn.PgError](err)
	c, ok := conflicts[e.ConstraintName]
	if !ok {
		return posthorn.Because(posthorn.Conflict, "It exists already", wrapped)
	}
	return &posthorn.Error{
		Kind: posthorn.Conflict, Message: c.message,
		Fields: map[string]string{c.field: c.problem}, Err: wrapped,
	}
}

// unavailable reports whether the same request may well succeed a little later.
func unavailable(err error) bool {
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	if state := sqlState(err); state != "" {
		switch state[:2] {
		case classConnection, classRollback, classResources:
			return true
		case classOperator:
			return state == codeQueryCanceled || strings.HasPrefix(state, "57P")
		}
		return state == codeLockNotAvailable || state == codeReadOnly
	}
	return pgconn.SafeToRetry(err) || connectionBroke(err) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) ||
		errors.Is(err, puddle.ErrClosedPool)
}

// connectionBroke reports whether the conversation with the server ended without the server's last word.
func connectionBroke(err error) bool {
	for _, broken := range []error{
		io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, syscall.ECONNRESET, syscall.EPIPE,
		driver.ErrBadConn, sql.ErrConnDone, pgconn.ErrConnClosed,
	} {
		if errors.Is(err, broken) {
			return true
		}
	}
	_, ok := errors.AsType[net.Error](err)
	return ok
}

// isDataFault reports whether the values of a row are to blame, so that the other rows of its batch can be stored
// without it. A row that no partition is there for is not at fault: the whole batch shares its day.
func isDataFault(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || len(e.Code) != 5 {
		return false
	}
	switch e.Code[:2] {
	case classData, classProgramLimit:
		return true
	case classIntegrity:
		return !missingPartition(err)
	default:
		return false
	}
}

// missingPartition reports whether a row's id lies outside every partition of its table.
func missingPartition(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == codeCheckViolation && e.ConstraintName == ""
}

// outcomeUnknown reports whether a transaction may have been committed although err came instead of an answer. err is
// what a statement, a commit, or the beginning of a transaction from the pool returned. It is false only where it is
// certain that nothing was committed: the server refused, or was never asked.
func outcomeUnknown(err error) bool {
	switch {
	case err == nil, pgconn.SafeToRetry(err):
		return false
	case errors.Is(err, pgx.ErrTxCommitRollback), errors.Is(err, pgx.ErrTxClosed), errors.Is(err, puddle.ErrClosedPool):
		return false
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return false
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		// An error ends the transaction, and the server said so. With FATAL or PANIC it ends the connection, perhaps
		// after the commit became durable and before it was reported.
		return e.SeverityUnlocalized != "ERROR"
	}
	// The pool gives up with the bare error of the context, a statement under way with one that says it timed out.
	return !errors.Is(err, context.DeadlineExceeded) || pgconn.Timeout(err)
}

// sqlState returns the server's five-character code, or "" when the error is not the server's.
func sqlState(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && len(e.Code) == 5 {
		return e.Code
	}
	return ""
}
