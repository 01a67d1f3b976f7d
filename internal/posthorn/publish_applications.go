package posthorn

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	// applicationsAge is how long the applications of a tenant are believed to be as they were read, so that publishing asks
	// the database once a second and not once an event.
	applicationsAge = time.Second
	// maxApplicationTenants bounds of how many tenants they are remembered.
	maxApplicationTenants = 1024
)

// applicationIndex finds the applications that events name.
type applicationIndex struct {
	reader  ApplicationReader
	mu      sync.Mutex
	tenants map[TenantID]namedApplications
}

// namedApplications are the applications of a tenant by id and external id, as they were at a time.
type namedApplications struct {
	ids  map[string]ApplicationID
	read time.Time
}

func newApplicationIndex(reader ApplicationReader) *applicationIndex {
	return &applicationIndex{reader: reader, tenants: map[TenantID]namedApplications{}}
}

// find returns the application that a name stands for, its id or external id. One that was just made is found: the
// applications are read anew for a name that is not known, once a request, which began at a time.
func (x *applicationIndex) find(ctx context.Context, tenant TenantID, name string, began time.Time) (id ApplicationID, ok bool, err error) {
	x.mu.Lock()
	known := x.tenants[tenant]
	x.mu.Unlock()
	id, ok = known.ids[name]
	if ok && began.Sub(known.read) < applicationsAge || !ok && !known.read.Before(began) {
		return id, ok, nil
	}
	known = namedApplications{ids: map[string]ApplicationID{}, read: time.Now()}
	list, err := x.reader.ListApplications(ctx, tenant)
	if err != nil {
		return id, false, fmt.Errorf("list the applications of %s: %w", tenant, err)
	}
	for _, a := range list {
		if a.ExternalID != "" {
			known.ids[a.ExternalID] = a.ID
		}
	}
	for _, a := range list {
		known.ids[a.ID.String()] = a.ID
	}
	x.mu.Lock()
	if len(x.tenants) >= maxApplicationTenants {
		clear(x.tenants)
	}
	x.tenants[tenant] = known
	x.mu.Unlock()
	id, ok = known.ids[name]
	return id, ok, nil
}
