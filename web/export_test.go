package web

// Access names who may call a route.
type Access = access

// Who may call a route.
const (
	Anyone = anyone
	Worker = worker
	Guest  = guest
	Linked = linked
	Person = person
	Admin  = admin
	Owner  = owner

	APIRead    = apiRead
	APIWrite   = apiWrite
	APIPublish = apiPublish
)

// Route is one row of the route table.
type Route struct {
	Method, Path string
	Access       Access
}

// Routes lists what the server answers.
func Routes() []Route {
	var rows []Route
	for _, r := range (&Server{}).routes() {
		rows = append(rows, Route{r.method, r.path, r.access})
	}
	return rows
}

// ContentSecurityPolicy is the policy of every answer.
const ContentSecurityPolicy = contentSecurityPolicy
