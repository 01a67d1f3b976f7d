package posthorn

import "encoding/json"

// AddUID is addUID for a JSON object.
func AddUID(object json.RawMessage, uid *string) json.RawMessage {
	return addUID(object, objectMembers(object), uid)
}
