package web

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"

	"github.com/gofiber/fiber/v2"

	"posthorn/internal/posthorn"
	"posthorn/views/pages"
)

// maxFormKey is the longest form key that is taken, in bytes.
const maxFormKey = 64

// newFormKey draws the key of a form that makes something, so that sending it again, by a reload or a second click, does not
// make it twice.
func newFormKey() string { return rand.Text() }

// postedFormKey returns the key that a form was sent with, empty for none, or for one that newFormKey cannot have made.
func postedFormKey(c *fiber.Ctx) string {
	text := formValue(c, pages.FieldFormKey)
	if len(text) > maxFormKey {
		return ""
	}
	for _, b := range []byte(text) {
		if (b < '0' || b > '9') && (b < 'A' || b > 'Z') {
			return ""
		}
	}
	return text
}

// formKey returns the key under which the tenant of the reader remembers that a form was sent, nil for a form without one.
// what names what the form makes. A form that was changed and sent again, as after going back, is another: the key is a digest
// of everything that was sent. Nobody can guess at what was typed by it, because what newFormKey drew is stored nowhere.
func formKey(c *fiber.Ctx, what string) *posthorn.IdempotencyKey {
	if postedFormKey(c) == "" {
		return nil
	}
	sum := sha256.Sum256(c.Request().PostArgs().QueryString())
	return &posthorn.IdempotencyKey{Scope: "form:" + requestOf(c).signedIn.Tenant.ID.String(), Key: what + " " + hex.EncodeToString(sum[:])}
}
