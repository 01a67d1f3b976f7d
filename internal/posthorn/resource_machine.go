package posthorn

import (
	"slices"
	"strings"
)

// Machine is the states of a kind of resource. The first is the one that it is created in.
type Machine []State

// State is one state of a machine.
type State struct {
	Status ResourceStatus
	// Event tells that a resource came into the state.
	Event string
	// Next are the states that may follow, none for a final one.
	Next []ResourceStatus
	// Updated tells that other fields changed while the resource was in the state, empty for a change that is no event.
	Updated string
	// Closed says that nothing of the resource may change any more.
	Closed bool
}

// Initial is the state that a resource is created in.
func (m Machine) Initial() State { return m[0] }

// State returns a state, and whether the machine has it.
func (m Machine) State(status ResourceStatus) (State, bool) {
	i := slices.IndexFunc(m, func(s State) bool { return s.Status == status })
	if i < 0 {
		return State{Status: status}, false
	}
	return m[i], true
}

// Statuses lists the states in their order.
func (m Machine) Statuses() []ResourceStatus {
	statuses := make([]ResourceStatus, len(m))
	for i := range m {
		statuses[i] = m[i].Status
	}
	return statuses
}

// step checks that one state may follow on another. Otherwise it is Conflict, naming those that may.
func (m Machine) step(kind ResourceKind, from, to ResourceStatus) (State, error) {
	now, _ := m.State(from)
	if slices.Contains(now.Next, to) {
		next, _ := m.State(to)
		return next, nil
	}
	e := Errorf(Conflict, "%s that is %s cannot become %s. %s", kind.withArticle(), from, to, allowedNext(now.Next))
	e.Fields = map[string]string{fieldStatus: "cannot become " + string(to) + " after " + string(from)}
	return State{}, e
}

// allowedNext says which states may follow.
func allowedNext(next []ResourceStatus) string {
	if len(next) == 0 {
		return "That state is final, no other is allowed."
	}
	return "Allowed is " + orList(next) + "."
}

// orList writes "a", "a or b", "a, b or c".
func orList[S ~string](words []S) string {
	var b strings.Builder
	for i, w := range words {
		switch {
		case i == 0:
		case i == len(words)-1:
			b.WriteString(" or ")
		default:
			b.WriteString(", ")
		}
		b.WriteString(string(w))
	}
	return b.String()
}
