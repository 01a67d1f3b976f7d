package rig

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"posthorn/internal/posthorn"
)

// API is a program that calls the admin API of a server. It keeps its connections open.
type API struct {
	client *http.Client
	key    string
}

// API makes a caller with the owner's key, which has so many connections at most.
func (r *Rig) API(connections int) *API {
	return &API{
		key:    r.Owner.APIKey,
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections}},
	}
}

// Close closes the connections.
func (a *API) Close() { a.client.CloseIdleConnections() }

// call sends JSON and returns the answer, read whole.
func (a *API) call(ctx context.Context, method, url string, body []byte) (status int, answer []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+a.key)
	res, err := a.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = res.Body.Close() }() // it was read
	answer, err = io.ReadAll(res.Body)
	return res.StatusCode, answer, err
}

// Webhook is an endpoint that was made.
type Webhook struct {
	ID, Secret string
}

// CreateWebhook makes a webhook of fields of the API.
func (a *API) CreateWebhook(ctx context.Context, server string, fields map[string]any) (Webhook, error) {
	body, err := json.Marshal(fields)
	if err != nil {
		return Webhook{}, err
	}
	status, answer, err := a.call(ctx, http.MethodPut, server+"/api/v1/webhooks/configs", body)
	if err != nil {
		return Webhook{}, fmt.Errorf("create a webhook: %w", err)
	}
	var made Webhook
	if status != http.StatusCreated {
		return made, fmt.Errorf("create a webhook: %d %s", status, answer)
	}
	if err := json.Unmarshal(answer, &made); err != nil {
		return made, fmt.Errorf("create a webhook: %w", err)
	}
	return made, nil
}

// Publish publishes an event or, in an array, several, and returns what was accepted. The status is 0 when there was no
// answer.
func (a *API) Publish(ctx context.Context, server string, body []byte) (status int, published []posthorn.Published, err error) {
	status, answer, err := a.call(ctx, http.MethodPost, server+"/api/v1/events", body)
	if err != nil {
		return 0, nil, fmt.Errorf("publish: %w", err)
	}
	if status != http.StatusAccepted {
		return status, nil, fmt.Errorf("publish: %d %.300s", status, answer)
	}
	if body[0] != '[' {
		var one posthorn.Published
		err = json.Unmarshal(answer, &one)
		return status, []posthorn.Published{one}, err
	}
	var all struct{ Data []posthorn.Published }
	err = json.Unmarshal(answer, &all)
	return status, all.Data, err
}

// get asks for a page and returns its status.
func get(ctx context.Context, url string) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode, res.Body.Close()
}
