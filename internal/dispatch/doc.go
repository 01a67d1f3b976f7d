// Package dispatch decides which delivery goes out when, and how many at once.
//
// It knows no SQL and no HTTP: a [Store] has the deliveries, a [Sender] makes one attempt. A job is an attempt that is due,
// under a lease; it comes in on one of two ways and goes round once:
//
//	publish ── Offer ──┐                                 ┌── Sender.Send ──┐
//	                   ├─▶ lane of the webhook ─▶ slot ──┤  an attempt     ├─▶ results ─▶ Store.Finish
//	Store.Claim ───────┘          │                      └─────────────────┘
//	    ▲                         ▼ no room, paused, throttled, probing, stopping
//	    └──────────────── Store.Release
//
// One goroutine, the owner (owner.go), has all slots, lanes and times, and no lock. Others do what takes time and tell it by
// channels: an attempt each, one claim at a time, loads of endpoints, two finishers and a releaser.
//
// Every webhook has a lane (lane.go): a short queue and what is known of its endpoint. A lane is in the ring of those that may
// start, or waits for something: its endpoint being loaded, a slot of its own, a time. The owner goes round the ring and
// starts one job a lane and round. What holds a lane back:
//
//   - its part of the webhook's cap, Webhook.MaxInFlight, and of its rate (rate.go);
//   - its share: as many slots as all others leave free, but for an eighth that is kept for endpoints that answer quickly. So
//     one webhook gets half of the slots at most, and however many hang, there is a slot for those that do not. The queue is
//     shared in the same way, by jobs and by bytes, and a lane has no more of it than it is going to start within 20 seconds;
//   - its pace (pace.go): after ten failures in a row the lane closes, for 1 s at first and twice as long each time, up to
//     5 minutes, and then one attempt probes. A success opens it again, one more slot for each. An answer that asks to be
//     left alone closes it too. While a lane is closed, its jobs are given back, due when it opens.
//
// What does not fit is given back and claimed later: the database is the queue, the lanes are what is in hand. The claim loop
// (claim.go) asks when there is room: at once while there is more, then when the next delivery is due, or somebody calls Wake,
// and every few seconds anyway.
//
// A lease makes it safe. Who holds it may make one attempt, and results of a lost lease are dropped by the store. A job whose
// lease is too short for its timeout and the grace of a stop is not begun but claimed anew. So whatever dies, even this process, the lease
// runs out and the delivery is sent again: at least once. Results are written in batches of whatever is waiting (finish.go),
// and as long as they cannot be written, few new attempts begin.
//
// When the context of Run ends (stop.go), nothing new begins, what waits is given back, and what is under way has the grace to
// end. What has not ended by then is cancelled with [ErrStopping] as its cause; such an attempt is no fault of the receiver and
// does not count.
//
// The limits of a webhook hold for all dispatchers on one store together: each has its part of them, divided by what
// Options.Dispatchers counts and rounded up. So with n dispatchers there are up to n-1 attempts more, at once and in a second,
// than divide evenly: one with a cap of 1 has n. They do not hold until the others have heard of a dispatcher that is new, for
// 6 seconds at most, in which it sends its part beside theirs; and one that cannot reach the store for 15 seconds, and so is
// counted by nobody, makes the attempts whose results it can still keep. When one stops, the others take its part over within
// 6 seconds, when it dies within 21.
package dispatch
