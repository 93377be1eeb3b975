package index

import (
	"reflect"
	"testing"

	"github.com/hamnest/hamnest/encoder"
)

// A page token belongs to one request: whatever field of it is another, it is another request,
// but for how hits are shown. A field that is added to Query is in this test by itself.
func TestAPageTokenBelongsToEveryFieldOfItsRequest(t *testing.T) {
	profile, err := encoder.NewExact(encoder.Shape{Dims: 2})
	if err != nil {
		t.Fatal(err)
	}
	c := newCodec(engineState{Profile: profile})
	shown := map[string]bool{"PageToken": true, "WithVector": true, "WithMetadata": true, "Budget": true}
	hashes := map[uint64]string{c.requestHash(Query{}): "nothing"}
	fields := reflect.TypeFor[Query]()
	for i := range fields.NumField() {
		name := fields.Field(i).Name
		var q Query
		for n := range 2 { // two values
			different(t, reflect.ValueOf(&q).Elem().Field(i), n)
			hash := c.requestHash(q)
			if shown[name] {
				if hashes[hash] != "nothing" {
					t.Errorf("a page cannot be shown with another %s", name)
				}
				continue
			}
			if other, known := hashes[hash]; known && fields.Field(i).Type.Kind() != reflect.Bool {
				t.Errorf("a request that sets %s (%d) is taken for one that sets %s", name, n, other)
			}
			hashes[hash] = name
		}
	}
	for _, pair := range [][2]Query{
		{{ID: "a", Vector: []float32{1}}, {ID: "b", Vector: []float32{1}}},
		{{Vector: []float32{1, 2}}, {Vector: []float32{2, 1}}},
		{{Code: []uint64{1}}, {Code: []uint64{1, 0}}},
		{{MinScore: new(float32)}, {}},
	} {
		if c.requestHash(pair[0]) == c.requestHash(pair[1]) {
			t.Errorf("%+v is taken for %+v", pair[0], pair[1])
		}
	}
}

// different sets v to the n-th of values that are not zero.
func different(t *testing.T, v reflect.Value, n int) {
	t.Helper()
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.String:
		v.SetString("ab"[n:])
	case reflect.Int:
		v.SetInt(int64(1 + n))
	case reflect.Uint8:
		v.SetUint(uint64(1 + n))
	case reflect.Float32, reflect.Float64:
		v.SetFloat(float64(1+n) / 2)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1+n, 1+n))
		different(t, v.Index(n), n)
	case reflect.Uint64:
		v.SetUint(uint64(1 + n))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		if v.Elem().Kind() != reflect.Struct {
			different(t, v.Elem(), n)
		}
	default:
		t.Fatalf("this test does not know %v", v.Type())
	}
}
