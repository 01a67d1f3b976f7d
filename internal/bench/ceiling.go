package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"posthorn/internal/posthorn"
	"posthorn/internal/rig"
)

// ceiling signs and sends bodies of the same size to the same receiver, with as many requests at once, and nothing else. It
// returns how many a second that makes, and the CPU time for a thousand: that of sender and receiver together.
func (b *bench) ceiling(ctx context.Context) (perSecond, cpuPerThousand float64) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: b.o.inFlight, MaxConnsPerHost: b.o.inFlight}}
	defer client.CloseIdleConnections()
	b.receiver.forget()
	run := func(d time.Duration) (sent int64) {
		ctx, cancel := context.WithTimeout(ctx, d)
		defer cancel()
		var count atomic.Int64
		var work sync.WaitGroup
		for range b.o.inFlight {
			work.Go(func() {
				for ctx.Err() == nil {
					if b.sendBare(ctx, client) == nil {
						count.Add(1)
					}
				}
			})
		}
		work.Wait()
		return count.Load()
	}
	run(b.o.warmUp)
	before, _ := rig.UsageOf(os.Getpid()) // without it the CPU time is 0, which shows
	began := time.Now()
	sent := run(b.o.duration)
	took := time.Since(began)
	after, _ := rig.UsageOf(os.Getpid())
	return float64(sent) / took.Seconds(), (after.CPU - before.CPU).Seconds() * 1000 / float64(max(sent, 1))
}

// sendBare makes one signed request.
func (b *bench) sendBare(ctx context.Context, client *http.Client) error {
	number := b.publish.next.Add(1)
	now := time.Now()
	body := fmt.Appendf(nil, `{"id":"whd_%022d","event":"submission.completed","timestamp":"2024-01-15T10:30:00.000Z","eventId":"evt_%022d",`+
		`"tenantId":%q,"applicationId":null,"data":%s}`, number, number, b.rig.Owner.TenantID, b.publish.data(number, now))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.receiver.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	signature := posthorn.Signature{Scheme: posthorn.SchemeStandard}
	for _, h := range signature.Sign(posthorn.Message{
		ID: fmt.Sprintf("whd_%022d", number), Timestamp: now, Body: body,
	}, []posthorn.SigningSecret{b.secret}) {
		req.Header.Set(h.Name, h.Value)
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, res.Body)
	return res.Body.Close()
}
