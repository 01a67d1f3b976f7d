package main

import (
	"strings"
	"testing"
	"time"

	"posthorn/internal/posthorn"
)

// begin is when the torment of these tests begins.
var begin = time.Date(2026, time.January, 2, 3, 4, 5, 0, time.UTC)

// at is so many seconds later.
func at(seconds float64) time.Time { return begin.Add(time.Duration(seconds * float64(time.Second))) }

// sound is evidence against which there is nothing to be said. Event 1 arrived at once; event 2 was answered 500 first; event
// 3 was taken, its sender was killed at second 20, and it came again.
func sound() *evidence {
	accepted := map[int]posthorn.EventID{}
	for n := range 3 {
		accepted[n+1] = posthorn.NewEventID()
	}
	return &evidence{
		accepted: accepted, events: 3, deliveries: []standing{{"succeeded", "", 3}},
		receivers: []report{{name: "one", requests: []seen{
			{delivery: "whd_1", number: 1, began: at(1.01), ended: at(1.02), taken: true},
			{delivery: "whd_2", number: 2, began: at(2.01), ended: at(2.02)},
			{delivery: "whd_2", number: 2, began: at(7.01), ended: at(7.02), taken: true},
			{delivery: "whd_3", number: 3, began: at(19.99), ended: at(20), taken: true},
			{delivery: "whd_3", number: 3, began: at(50.01), ended: at(50.02), taken: true},
		}}},
		attempts: map[string][]written{
			"whd_1": {{began: at(1), ended: at(1.03), status: 204}},
			"whd_2": {{began: at(2), ended: at(2.03), status: 500}, {began: at(7), ended: at(7.03), status: 204}},
			"whd_3": {{began: at(50), ended: at(50.03), status: 204}},
		},
		kills: []span{{at(20), at(20.1)}},
	}
}

func TestSoundEvidenceIsNotBlamed(t *testing.T) {
	t.Parallel()
	v := sound().judge()
	if len(v.wrong) != 0 {
		t.Errorf("blamed: %v", v.wrong)
	}
	if v.deliveries != 3 || v.requests != 5 || v.attempts != 4 || v.repeated != 1 || v.cutOff != 1 || v.unheard != 0 {
		t.Errorf("counted %+v", v)
	}
}

func TestAnAnswerThatCameTooLateExplainsARepetition(t *testing.T) {
	t.Parallel()
	e := sound()
	e.kills = nil
	e.attempts["whd_3"] = append(e.attempts["whd_3"], written{began: at(19), ended: at(19.98), class: "timeout"})
	if v := e.judge(); len(v.wrong) != 0 || v.unheard != 1 || v.cutOff != 0 {
		t.Errorf("%d not heard of, %d cut off, blamed: %v", v.unheard, v.cutOff, v.wrong)
	}
}

func TestResultsThatWaitedForTheDatabaseMayGoWithTheirSender(t *testing.T) {
	t.Parallel()
	e := sound()
	e.kills = []span{{at(40), at(40.1)}}
	if len(e.judge().wrong) == 0 {
		t.Error("a kill explains what ended 20 seconds before it")
	}
	e.outages = []span{{at(19), at(38)}}
	if v := e.judge(); len(v.wrong) != 0 {
		t.Errorf("blamed: %v", v.wrong)
	}
}

func TestEveryLossIsBlamed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(e *evidence)
		want  string
	}{
		"a delivery that a receiver does not have": {
			func(e *evidence) { e.receivers[0].requests = e.receivers[0].requests[1:] },
			`receiver "one": event 1 `,
		},
		"a delivery that was never taken": {
			func(e *evidence) { e.receivers[0].requests[0].taken = false },
			"was accepted and did not arrive",
		},
		"an event that one of two receivers did not get": {
			func(e *evidence) { e.receivers = append(e.receivers, report{name: "two"}) },
			`receiver "two": event 2 `,
		},
		"an event that is not stored":            {func(e *evidence) { e.events-- }, "2 events are stored, and 3 were accepted"},
		"a delivery that is not stored":          {func(e *evidence) { e.deliveries[0].count-- }, "2 deliveries are stored, not 3"},
		"a delivery that did not come to an end": {func(e *evidence) { e.deliveries[0].state = "pending" }, "3 deliveries are pending"},
		"an event that nobody published": {
			func(e *evidence) { e.receivers[0].requests[0].number = 9 },
			"event 9 was not accepted",
		},
		"an event under two deliveries": {
			func(e *evidence) { e.receivers[0].requests[1].number = 1 },
			"event 1 came as whd_1 and as whd_2",
		},
		"a forged request": {
			func(e *evidence) { e.receivers[0].faults = []string{"a wrong signature"} },
			"a wrong signature",
		},
		"an attempt that is not written down, far from any kill": {
			func(e *evidence) { e.attempts["whd_2"] = e.attempts["whd_2"][1:] },
			"which is not written down, and no kill explains it",
		},
		"an attempt that a kill cut off and nobody tried again": {
			func(e *evidence) {
				e.receivers[0].requests = e.receivers[0].requests[:4]
				delete(e.attempts, "whd_3")
			},
			"which is not written down, and was not tried again",
		},
		"a repetition after a success that is written down": {
			func(e *evidence) {
				e.attempts["whd_3"] = append(e.attempts["whd_3"], written{began: at(19.98), ended: at(20), status: 204})
			},
			"although its success was written down",
		},
		"an answer that nobody gave": {
			func(e *evidence) {
				e.attempts["whd_1"] = append(e.attempts["whd_1"], written{began: at(30), ended: at(31), status: 204})
			},
			"that nobody gave",
		},
	} {
		e := sound()
		c.spoil(e)
		blamed := false
		for _, err := range e.judge().wrong {
			blamed = blamed || strings.Contains(err.Error(), c.want)
		}
		if !blamed {
			t.Errorf("%s is not blamed for %q: %v", name, c.want, e.judge().wrong)
		}
	}
}

func TestManyFaultsOfAKindAreToldInPart(t *testing.T) {
	t.Parallel()
	e := sound()
	for n := range 3 * maxWrong {
		e.accepted[100+n] = posthorn.NewEventID()
	}
	v := e.judge()
	var out strings.Builder
	v.print(&out)
	if len(v.wrong) != maxWrong+2 || !strings.Contains(out.String(), "30 faults like") || strings.Contains(out.String(), "nothing was lost") {
		t.Errorf("%d faults told, printed %s", len(v.wrong), &out)
	}
}
