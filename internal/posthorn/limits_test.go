package posthorn_test

import (
	"errors"
	"maps"
	"slices"
	"testing"

	"posthorn/internal/posthorn"
)

func TestALimitOutOfRangeIsRefusedWithItsField(t *testing.T) {
	t.Parallel()
	limits := posthorn.NewLimits(nil, posthorn.DefaultRateLimit) // what is refused is not stored
	for field, in := range map[string]posthorn.LimitSettings{
		posthorn.FieldAPIRate:      {APIRate: new(0)},
		posthorn.FieldAPIBurst:     {APIBurst: new(posthorn.MaxRequestRate + 1)},
		posthorn.FieldPublishRate:  {PublishRate: new(-1)},
		posthorn.FieldPublishBurst: {PublishBurst: new(5)}, // without a rate
	} {
		_, err := limits.Set(t.Context(), posthorn.CommandLine(), posthorn.NewTenantID(), in)
		e, ok := errors.AsType[*posthorn.Error](err)
		if !ok || e.Kind != posthorn.Invalid || !slices.Equal(slices.Collect(maps.Keys(e.Fields)), []string{field}) {
			t.Errorf("%s: %v", field, err)
		}
	}
}
