package filter

import (
	"testing"

	"github.com/hamnest/hamnest/index/attr"
)

// shopFields are fields of every type.
func shopFields(t testing.TB) *attr.Fields {
	t.Helper()
	fields, err := attr.NewFields([]attr.Field{
		{Name: "section", Type: attr.String, Filterable: true},
		{Name: "size_kb", Type: attr.Int, Filterable: true},
		{Name: "score", Type: attr.Float, Filterable: true},
		{Name: "essential", Type: attr.Bool, Filterable: true},
		{Name: "published", Type: attr.Timestamp, Filterable: true},
		{Name: "tags", Type: attr.String, List: true, Filterable: true},
		{Name: "author.name", Type: attr.String, Filterable: true},
		{Name: "secret", Type: attr.String},
	})
	if err != nil {
		t.Fatal(err)
	}
	return fields
}

func TestFiltersKeepToTheFields(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{``, ``},
		{`section = "games" AND size_kb < 500 AND NOT essential`, `section = "games" AND size_kb < 500 AND NOT essential = true`},
		{`id = "x" OR id:* OR id = "lib*"`, `id = "x" OR id:* OR id = "lib*"`},
		{`size_kb > 0.5 AND score = 1`, `size_kb > 0.5 AND score = 1`},
		{`section = null AND published != null`, `section = null AND published != null`},
		{`published >= "2026-05-01T02:00:00+02:00"`, `published >= timestamp("2026-05-01T00:00:00Z")`},
		{`in(published, "2026-05-01T00:00:00Z", null)`, `in(published, timestamp("2026-05-01T00:00:00Z"), null)`},
		{`published:"2026-05-01T00:00:00Z"`, `published = timestamp("2026-05-01T00:00:00Z")`},
		{`tags:"x" AND tags = "y*" AND empty(tags)`, `tags = "x" AND tags = "y*" AND empty(tags)`},
		{`author:"name"`, `author.name:*`},
		{`section = "2026-05-01T00:00:00Z"`, `section = "2026-05-01T00:00:00Z"`},
	} {
		e, err := Parse(tt.text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := e.Check(shopFields(t))
		if err != nil || got.String() != tt.want {
			t.Errorf("%s is checked as %s, %v, want %s", tt.text, got, err, tt.want)
		}
		if again, err := got.Check(shopFields(t)); err != nil || !again.Equal(got) {
			t.Errorf("%s is checked again as %s, %v", got, again, err)
		}
	}
}

func TestACollectionWithoutFieldsTakesAllButOtherKindsOfID(t *testing.T) {
	e, err := Parse(`colour = "red" AND a.b:"x" AND in(c, 1, "2")`)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := e.Check(nil); err != nil || !got.Equal(e) {
		t.Errorf("%s is checked as %s, %v", e, got, err)
	}
	if _, err := Field("id").Eq(5).Check(nil); err == nil || err.Error() != "filter: found 5 for the field id, want a value of type string" {
		t.Errorf("id = 5 is checked with %v", err)
	}
}

func TestAnUnknownFieldIsToldWhichThereAre(t *testing.T) {
	var many []attr.Field
	for i := range 30 {
		many = append(many, attr.Field{Name: attr.Path("f" + string(rune('A'+i))), Type: attr.Int, Filterable: true})
	}
	many[26].Name, many[27].Name, many[28].Name, many[29].Name = "w", "x", "y", "z"
	fields, err := attr.NewFields(many)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Field("no").Present().Check(fields)
	if want := "filter: found the field no, want one of id, fA, fB, fC, fD, fE, fF, fG, fH, fI, fJ, fK, fL, fM, fN, fO, fP, fQ, fR, fS, fT and 10 more"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}
