package web

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/gofiber/fiber/v2"

	"posthorn/internal/posthorn"
)

// maxWebhookBody bounds the JSON of one webhook: 20 headers of 4 KiB and what is around them.
const maxWebhookBody = 128 << 10

// apiListWebhooks answers every webhook of the organisation.
func (s *Server) apiListWebhooks(c *fiber.Ctx) error {
	list, err := s.Webhooks.List(c.UserContext(), apiTenant(c), posthorn.WebhookFilter{})
	if err != nil {
		return err
	}
	data := make([]*posthorn.Webhook, len(list.Webhooks))
	for i := range list.Webhooks {
		data[i] = &list.Webhooks[i]
	}
	return sendJSON(c, http.StatusOK, newListAnswer(data, "", ""))
}

// apiPutWebhook creates or updates a webhook.
func (s *Server) apiPutWebhook(c *fiber.Ctx) error {
	body, err := readJSON(c, maxWebhookBody)
	if err != nil {
		return err
	}
	id, in, err := posthorn.ParseWebhookInput(body)
	if err != nil {
		return err
	}
	made, err := s.Webhooks.Put(c.UserContext(), s.apiActor(c), apiTenant(c), id, in)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if made.Created {
		status = http.StatusCreated
	}
	return sendJSON(c, status, &made)
}

// webhookParam reads the id in the path; what is no id of a webhook is NotFound.
func webhookParam(c *fiber.Ctx) (posthorn.WebhookID, error) {
	id, err := posthorn.ParseWebhookID(c.Params("id"))
	if err != nil {
		return id, posthorn.Because(posthorn.NotFound, "There is no webhook with this id.", err)
	}
	return id, nil
}

// apiGetWebhook answers one webhook.
func (s *Server) apiGetWebhook(c *fiber.Ctx) error {
	id, err := webhookParam(c)
	if err != nil {
		return err
	}
	w, err := s.Webhooks.Get(c.UserContext(), apiTenant(c), id)
	if err != nil {
		return err
	}
	return sendJSON(c, http.StatusOK, &w.Webhook)
}

// apiDeleteWebhook deletes one webhook.
func (s *Server) apiDeleteWebhook(c *fiber.Ctx) error {
	id, err := webhookParam(c)
	if err != nil {
		return err
	}
	if err := s.Webhooks.DeleteByID(c.UserContext(), s.apiActor(c), apiTenant(c), id); err != nil {
		return err
	}
	return c.SendStatus(http.StatusNoContent)
}

// apiRotateSecret replaces the secret of a webhook. The body may be left out.
func (s *Server) apiRotateSecret(c *fiber.Ctx) error {
	id, err := webhookParam(c)
	if err != nil {
		return err
	}
	rotation, err := readRotation(c)
	if err != nil {
		return err
	}
	made, err := s.Webhooks.RotateSecret(c.UserContext(), s.apiActor(c), apiTenant(c), id, rotation)
	if err != nil {
		return err
	}
	return sendJSON(c, http.StatusOK, &made)
}

// readRotation reads {"overlapSeconds", "secret"}, both optional.
func readRotation(c *fiber.Ctx) (posthorn.SecretRotation, error) {
	r := posthorn.SecretRotation{Overlap: posthorn.DefaultSecretOverlap}
	body, err := readOptionalJSON(c, maxWebhookBody)
	if err != nil || body == nil {
		return r, err
	}
	in, err := readMembers(body, "The body must be an object with a whole number as overlapSeconds and a string as secret, both optional.")
	if err != nil {
		return r, err
	}
	faults := map[string]string{}
	overlap := readMember[int64](in, fieldOverlapSeconds, "must be a whole number of seconds", faults)
	own := readMember[string](in, posthorn.FieldSecret, "must be a string", faults)
	if err := posthorn.InvalidFields("The secret was not replaced.", faults); err != nil {
		return r, err
	}
	if overlap != nil {
		// What is far beyond the limit must not wrap around.
		r.Overlap = time.Duration(min(max(*overlap, -1), int64(posthorn.MaxSecretOverlap/time.Second)+1)) * time.Second
	}
	if own != nil {
		r.Own = *own
	}
	return r, nil
}

// fieldOverlapSeconds is how long a replaced secret stays valid.
const fieldOverlapSeconds = "overlapSeconds"

// readMembers reads a body that is an object, or null, which is one without members.
func readMembers(body []byte, rule string) (map[string]json.RawMessage, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return nil, posthorn.Because(posthorn.Invalid, rule, err)
	}
	return members, nil
}

// readMember reads one member, nil when it is absent or null, and notes the rule when it is of another type.
func readMember[T any](members map[string]json.RawMessage, name, rule string, faults map[string]string) *T {
	raw, given := members[name]
	if !given {
		return nil
	}
	var value *T
	if err := json.Unmarshal(raw, &value); err != nil {
		faults[name] = rule
		return nil
	}
	return value
}
