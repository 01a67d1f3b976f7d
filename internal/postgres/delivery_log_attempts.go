package postgres

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"posthorn/internal/posthorn"
)

const attemptColumns = `id, delivery_id, number, url, started_at, status_code, error_class, error, remote_address, http_version,
       request_headers::text, response_headers::text, response_body, response_truncated, duration_ms, dns_ms, connect_ms, tls_ms, first_byte_ms`

// addAttempts reads rows of attemptColumns, which come in the order of the attempts, into their entries.
func addAttempts(rows pgx.Rows, byID map[uuid.UUID]*posthorn.LogEntry) error {
	for rows.Next() {
		var delivery uuid.UUID
		a, err := scanAttempt(rows, &delivery)
		if err != nil {
			return err
		}
		byID[delivery].History = append(byID[delivery].History, a)
	}
	return rows.Err()
}

func scanAttempt(row pgx.Rows, delivery *uuid.UUID) (posthorn.Attempt, error) {
	var a posthorn.Attempt
	var status *int
	var class, text, remote, version, request, response *string
	var total float32
	var dns, connect, tls, firstByte *float32
	err := row.Scan((*uuid.UUID)(&a.ID), delivery, &a.Number, &a.URL, &a.StartedAt, &status, &class, &text, &remote, &version,
		&request, &response, &a.ResponseBody, &a.ResponseTruncated, &total, &dns, &connect, &tls, &firstByte)
	if err != nil {
		return a, err
	}
	if status != nil {
		a.StatusCode = *status
	}
	a.ErrorClass, a.Error = posthorn.ErrorClass(orEmpty(class)), orEmpty(text)
	a.RemoteAddress, a.HTTPVersion, a.StartedAt = orEmpty(remote), orEmpty(version), a.StartedAt.UTC()
	a.Timings = posthorn.Timings{
		DNS: durationOf(dns), Connect: durationOf(connect), TLS: durationOf(tls), FirstByte: durationOf(firstByte), Total: durationOf(&total),
	}
	if a.RequestHeaders, err = headersOf(request); err == nil {
		a.ResponseHeaders, err = headersOf(response)
	}
	if err != nil {
		err = fmt.Errorf("read the headers of %s: %w", a.ID, err)
	}
	return a, err
}

// headersOf reads what headersJSON wrote.
func headersOf(text *string) ([]posthorn.Header, error) {
	if text == nil {
		return nil, nil
	}
	var pairs [][2]string
	if err := json.Unmarshal([]byte(*text), &pairs); err != nil {
		return nil, err
	}
	headers := make([]posthorn.Header, len(pairs))
	for i, p := range pairs {
		headers[i] = posthorn.Header{Name: p[0], Value: p[1]}
	}
	return headers, nil
}

func orEmpty(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

// durationOf reads milliseconds, zero for NULL, to the microsecond.
func durationOf(ms *float32) time.Duration {
	if ms == nil {
		return 0
	}
	return time.Duration(float64(*ms) * float64(time.Millisecond)).Round(time.Microsecond)
}
