package columns

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/index/attr"
	"github.com/hamnest/hamnest/index/codes"
	"github.com/hamnest/hamnest/index/filter"
)

// rows is rows without codes that columns are of, and the current view of them.
type rows struct {
	builder  *codes.Builder
	view     *codes.View
	ids      []string
	metadata []string
	records  []map[attr.Path]attr.Value
	reads    int // of rows
}

func newRows(t interface{ Fatal(...any) }) *rows {
	profile, err := encoder.NewExact(encoder.Shape{Dims: 2})
	if err != nil {
		t.Fatal(err)
	}
	r := &rows{builder: codes.NewBuilder(profile)}
	r.view = r.builder.Publish()
	return r
}

func (r *rows) columns(budget int64) *Columns {
	return New(r.read, func() *codes.View { return r.view }, budget)
}

func (r *rows) read(ctx context.Context, from, to uint32, want func(uint32) bool, fn func(uint32, []byte, []byte) error) error {
	for row := from; row < to; row++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !want(row) {
			continue
		}
		r.reads++
		if err := fn(row, []byte(r.ids[row]), []byte(r.metadata[row])); err != nil {
			return err
		}
	}
	return nil
}

// add gives out rows, which c is told of when told.
func (r *rows) add(t interface{ Fatal(...any) }, c *Columns, told bool, metadata ...string) {
	first := uint32(len(r.ids))
	reader := attr.NewReader(nil)
	for _, m := range metadata {
		id, record := fmt.Sprintf("r%d", len(r.ids)), map[attr.Path]attr.Value{}
		_ = reader.Read([]byte(m), func(path attr.Path, value attr.Value) error { // some cannot be read
			record[path] = value
			return nil
		})
		record[attr.ID] = attr.StringValue(id)
		r.ids, r.metadata, r.records = append(r.ids, id), append(r.metadata, m), append(r.records, record)
	}
	if err := r.builder.Grow(uint32(len(r.ids))); err != nil {
		t.Fatal(err)
	}
	if told {
		c.Add(first, func(yield func(string, []byte) bool) {
			for i, m := range metadata {
				if !yield(r.ids[int(first)+i], []byte(m)) {
					return
				}
			}
		})
	}
	r.builder.Give(uint32(len(metadata)))
	r.view = r.builder.Publish()
}

func (r *rows) retire(row uint32) {
	r.builder.Retire(row)
	r.view = r.builder.Publish()
}

func parse(t interface{ Fatal(...any) }, text string) filter.Expr {
	e, err := filter.Parse(text)
	if err == nil {
		e, err = e.Check(nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return e.Normalize()
}

// check compares what c selects with what the plain evaluator says of each row that is present.
func (r *rows) check(t interface {
	Fatal(...any)
	Fatalf(string, ...any)
}, c *Columns, text string,
) {
	set, err := c.Select(context.Background(), parse(t, text))
	if err != nil {
		t.Fatal(err)
	}
	e, _ := filter.Parse(text)
	n := uint64(0)
	for row := range r.view.Rows() {
		want := e.Matches(r.records[row]) && r.view.Present().Has(row)
		if set.Has(row) != want {
			t.Fatalf("%s selects row %d, %s %s: %t, want %t", text, row, r.ids[row], r.metadata[row], set.Has(row), want)
		}
		if want {
			n++
		}
	}
	if set.Len() != n || set.View() != r.view {
		t.Fatalf("%s selects %d rows of view %p, want %d of %p", text, set.Len(), set.View(), n, r.view)
	}
}

// Fields and values are few, so that they meet.
var (
	fields   = []string{"a", "b", "a.b", `a."x y"`, "id"}
	literals = []string{`null`, `true`, `false`, `0`, `1`, `2`, `1.5`, `-9007199254740993`, `9007199254740992.0`, `""`, `"x"`, `"b"`, `"r1"`, `"2026-05-01T00:00:00Z"`, `timestamp("2026-05-01T00:00:00Z")`}
	ordered  = []string{`0`, `1`, `1.5`, `-9007199254740993`, `"b"`, `"xy"`, `"r2"`, `timestamp("2026-05-01T00:00:00.5Z")`}
	patterns = []string{`"*"`, `"x*"`, `"*y"`, `"*x*"`, `"r1*"`, `"2026*"`}
	values   = []string{`null`, `true`, `false`, `0`, `1`, `1.0`, `2`, `1.5`, `-9007199254740993`, `9007199254740992`, `""`, `"x"`, `"b"`, `"xy"`, `"2026-05-01T02:00:00+02:00"`, `"2026-05-01T00:00:01Z"`, `{}`, `{"c":1}`, `[[1]]`, `[]`}
)

// anyFilter draws the text of a filter.
func anyFilter(depth int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		kind := rapid.IntRange(0, 9).Draw(t, "kind")
		if depth > 0 && kind >= 6 {
			args := rapid.SliceOfN(anyFilter(depth-1), 1, 3).Draw(t, "args")
			joined := "(" + strings.Join(args, rapid.SampledFrom([]string{" AND ", " OR "}).Draw(t, "op")) + ")"
			if kind == 9 {
				return "NOT " + joined
			}
			return joined
		}
		field := rapid.SampledFrom(fields).Draw(t, "field")
		value := rapid.SampledFrom(literals).Draw(t, "value")
		if field == "id" { // always a string
			value = rapid.SampledFrom([]string{`"r0"`, `"r1"`, `"r12"`}).Draw(t, "id")
		}
		switch kind % 6 {
		case 0:
			return field + rapid.SampledFrom([]string{" = ", " != ", ":"}).Draw(t, "comparison") + value
		case 1:
			if field != "id" {
				value = rapid.SampledFrom(ordered).Draw(t, "ordered")
			}
			return field + rapid.SampledFrom([]string{" < ", " <= ", " > ", " >= "}).Draw(t, "comparison") + value
		case 2:
			return field + " = " + rapid.SampledFrom(patterns).Draw(t, "pattern")
		case 3:
			return fmt.Sprintf("in(%s, %s, %s)", field, value, value)
		case 4:
			if field != "id" {
				return "empty(" + field + ")"
			}
		}
		return field + ":*"
	})
}

// anyMetadata draws a record with members of those fields.
func anyMetadata() *rapid.Generator[string] {
	value := rapid.Custom(func(t *rapid.T) string {
		if rapid.IntRange(0, 3).Draw(t, "list") == 0 {
			return "[" + strings.Join(rapid.SliceOfN(rapid.SampledFrom(values), 0, 3).Draw(t, "elements"), ",") + "]"
		}
		return rapid.SampledFrom(values).Draw(t, "value")
	})
	return rapid.Custom(func(t *rapid.T) string {
		switch rapid.IntRange(0, 4).Draw(t, "shape") {
		case 0:
			return ""
		case 1:
			return fmt.Sprintf(`{"a":{"b":%s,"x y":%s},"id":"r1"}`, value.Draw(t, "a.b"), value.Draw(t, "a.x y"))
		case 2:
			return fmt.Sprintf(`{"id":1,"b":%s}`, value.Draw(t, "b"))
		}
		return fmt.Sprintf(`{"b":%s,"a":%s}`, value.Draw(t, "b"), value.Draw(t, "a"))
	})
}

func TestColumnsSelectWhatThePlainEvaluatorMatches(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRows(t)
		budget := rapid.SampledFrom([]int64{1 << 30, 64 << 10, 20 << 10, 0}).Draw(t, "budget")
		c := r.columns(budget)
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				r.add(t, c, rapid.Bool().Draw(t, "told"), rapid.SliceOfN(anyMetadata(), 1, 40).Draw(t, "metadata")...)
			},
			"retire": func(t *rapid.T) {
				if n := r.view.Rows(); n > 0 {
					if row := rapid.Uint32Range(0, n-1).Draw(t, "row"); r.view.Present().Has(row) {
						r.retire(row)
					}
				}
			},
			"select": func(t *rapid.T) { r.check(t, c, anyFilter(2).Draw(t, "filter")) },
			"": func(t *rapid.T) {
				if got := c.Bytes(); got > uint64(budget) {
					t.Fatalf("columns take %d bytes, want at most %d", got, budget)
				}
			},
		})
	})
}

// Past a segment and past what is read at a time.
func TestColumnsOfManyRows(t *testing.T) {
	r := newRows(t)
	c := r.columns(1 << 30)
	metadata := make([]string, codes.SegmentRows+3*readRows/2)
	for i := range metadata {
		metadata[i] = fmt.Sprintf(`{"n":%d,"of":"%d","all":[1,%d]}`, i, i%7, i%1000)
	}
	r.add(t, c, false, metadata[:codes.SegmentRows-5]...)
	r.check(t, c, `of = "3" AND n < 50000`)
	r.add(t, c, true, metadata[codes.SegmentRows-5:]...)
	for _, text := range []string{`of = "3" AND n < 50000`, `all = 999`, `NOT of = ("1" OR "2")`, `n >= 65531`, `n < 10 OR n > 89999`, `id = "r70000"`, `id = "r7000*"`, `in(id)`, ``} {
		r.check(t, c, text)
	}
}

func TestRowsAreReadOnceForAPath(t *testing.T) {
	r := newRows(t)
	c := r.columns(1 << 20)
	r.add(t, c, true, `{"a":1}`, `{"a":2}`, `{"b":1}`)
	for _, step := range []struct {
		filter string
		reads  int
	}{{"a = 1", 3}, {"a = 2", 0}, {"a = 1 AND b = 1", 3}, {"b:* OR NOT a > 1", 0}} {
		r.reads = 0
		if r.check(t, c, step.filter); r.reads != step.reads {
			t.Errorf("%s reads %d rows, want %d", step.filter, r.reads, step.reads)
		}
	}
	r.reads = 0
	r.add(t, c, true, `{"a":1}`)
	r.check(t, c, "a = 1")
	r.retire(0)
	if r.check(t, c, "a = 1"); r.reads != 0 {
		t.Errorf("after rows were told of %d are read, want none", r.reads)
	}
	r.add(t, c, false, `{"a":1}`)
	if r.check(t, c, "a = 1"); r.reads != 1 {
		t.Errorf("after one row was not told of %d are read, want 1", r.reads)
	}
}

func TestASetIsKnownUntilTheNextView(t *testing.T) {
	r := newRows(t)
	c := r.columns(1 << 20)
	r.add(t, c, true, `{"a":1}`)
	first, err := c.Select(t.Context(), parse(t, "a = 1"))
	if err != nil {
		t.Fatal(err)
	}
	if again, err := c.Select(t.Context(), parse(t, "a:1.0 AND a = (1)")); err != nil || again != first {
		t.Errorf("the same filter gives another set, %v", err)
	}
	r.add(t, c, true, `{"a":1}`)
	if next, err := c.Select(t.Context(), parse(t, "a = 1")); err != nil || next.Len() != 2 {
		t.Errorf("on the next view %d rows match, %v, want 2", next.Len(), err)
	}
}

func TestAColumnTooLargeIsGivenUpOnce(t *testing.T) {
	r := newRows(t)
	c := r.columns(24 << 10)
	metadata := make([]string, 2000)
	for i := range metadata {
		metadata[i] = fmt.Sprintf(`{"unique":"%d","half":%t}`, i, i%2 == 0)
	}
	r.add(t, c, true, metadata...)
	r.check(t, c, `unique = "7"`)
	r.check(t, c, `half`)
	r.reads = 0
	if r.check(t, c, `NOT half`); r.reads != 0 {
		t.Errorf("a column that fits beside one that does not is read again: %d rows", r.reads)
	}
	if r.check(t, c, `unique = "8"`); r.reads != len(metadata) {
		t.Errorf("the plain evaluator reads %d rows, want %d", r.reads, len(metadata))
	}
	if got := c.Bytes(); got == 0 || got > 24<<10 {
		t.Errorf("columns take %d bytes", got)
	}
}

func TestAnUnreadableRowIsAnErrorUntilItIsRetired(t *testing.T) {
	r := newRows(t)
	c := r.columns(1 << 20)
	r.add(t, c, true, `{"a":1}`, `{"a":1,"a":2}`, `{"a":1}`)
	_, err := c.Select(t.Context(), parse(t, "a = 1"))
	if bad := new(attr.Error); !errors.As(err, &bad) || !strings.Contains(err.Error(), `"r1"`) {
		t.Fatalf("%v, want an attr.Error about r1", err)
	}
	r.retire(1)
	set, err := c.Select(t.Context(), parse(t, "a = 1"))
	if err != nil || set.Len() != 2 {
		t.Errorf("%v, want 2 rows", err)
	}
}

func TestTheEndOfItsContextEndsASelection(t *testing.T) {
	r := newRows(t)
	c := r.columns(1 << 20)
	r.add(t, c, true, `{"a":1}`)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Select(ctx, parse(t, "a = 1")); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want context.Canceled", err)
	}
	c.reading <- struct{}{} // somebody reads
	if _, err := c.Select(ctx, parse(t, "a = 1")); !errors.Is(err, context.Canceled) {
		t.Errorf("while another reads: %v, want context.Canceled", err)
	}
	<-c.reading
	r.check(t, c, "a = 1")
}
