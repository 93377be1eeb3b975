package columns

import (
	"cmp"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/hamnest/hamnest/index/attr"
	"github.com/hamnest/hamnest/index/filter"
)

// run is the values of one path in consecutive rows, by value. It never changes.
type run struct {
	rows   uint32 // of the run, with a value or not
	size   int    // about the bytes that it takes
	ints   section[integer]
	floats section[fraction]
	texts  section[text]
	times  section[instant] // of those texts that spell one
	bools  section[truth]
	nulls  section[null]
	// others are the rows with a value that says something though no section has it, such as
	// an object; empties are those with an empty list or object. Both ascend.
	others, empties []uint32
}

// section is the values of one kind, and the rows that have each.
type section[K key[K]] struct {
	values []K      // ascending, each once
	starts []uint32 // rows[starts[i]:starts[i+1]], ascending, have values[i]; one more than values, or none
	rows   []uint32
}

// key is a value as a section keeps it.
type key[K any] interface {
	compare(other K) int
	value() attr.Value
	bytes() int
}

type (
	integer  int64
	fraction float64
	text     string
	instant  struct {
		second int64
		nano   int32
	}
	truth bool
	null  struct{}
)

func (k integer) compare(o integer) int   { return cmp.Compare(k, o) }
func (k fraction) compare(o fraction) int { return cmp.Compare(k, o) }
func (k text) compare(o text) int         { return cmp.Compare(k, o) }
func (k instant) compare(o instant) int {
	return cmp.Or(cmp.Compare(k.second, o.second), cmp.Compare(k.nano, o.nano))
}

func (k truth) compare(o truth) int {
	order, _ := attr.Compare(k.value(), o.value())
	return order
}
func (k null) compare(null) int { return 0 }

func (k integer) value() attr.Value { return attr.IntValue(int64(k)) }
func (k fraction) value() attr.Value {
	v, _ := attr.FloatValue(float64(k)) // it was one
	return v
}
func (k text) value() attr.Value { return attr.StringValue(string(k)) }
func (k instant) value() attr.Value {
	v, _ := attr.TimeValue(time.Unix(k.second, int64(k.nano))) // it was one
	return v
}
func (k truth) value() attr.Value { return attr.BoolValue(bool(k)) }
func (k null) value() attr.Value  { return attr.NullValue() }

func (k integer) bytes() int  { return 8 }
func (k fraction) bytes() int { return 8 }
func (k text) bytes() int     { return 16 + len(k) }
func (k instant) bytes() int  { return 16 }
func (k truth) bytes() int    { return 1 }
func (k null) bytes() int     { return 0 }

// pick calls add with the rows that match e, a comparison in canonical form of the run's path.
func (r *run) pick(e filter.Expr, add func(rows []uint32)) {
	switch e.Op {
	case filter.OpPresent:
		for _, rows := range [...][]uint32{r.ints.rows, r.floats.rows, r.texts.rows, r.bools.rows, r.others} {
			add(rows)
		}
	case filter.OpEmpty:
		add(r.empties)
	case filter.OpLike:
		r.like(e.Pattern, add)
	default:
		for _, v := range e.Values {
			r.compare(e.Op, v, add)
		}
	}
}

// compare calls add with the rows of the values that stand to v as op says.
func (r *run) compare(op filter.Op, v attr.Value, add func(rows []uint32)) {
	switch v.Kind() {
	case attr.Int, attr.Float:
		add(r.ints.compared(op, v))
		add(r.floats.compared(op, v))
	case attr.String:
		add(r.texts.compared(op, v))
	case attr.Timestamp:
		add(r.times.compared(op, v))
	case attr.Bool:
		add(r.bools.compared(op, v))
	case attr.Null:
		add(r.nulls.compared(op, v))
	}
}

// like calls add with the rows of the texts that fit p.
func (r *run) like(p filter.Pattern, add func(rows []uint32)) {
	values := r.texts.values
	if !p.Before { // those that begin so stand together
		first := sort.Search(len(values), func(i int) bool { return string(values[i]) >= p.Text })
		n := sort.Search(len(values)-first, func(i int) bool { return !strings.HasPrefix(string(values[first+i]), p.Text) })
		add(r.texts.span(first, first+n))
		return
	}
	for i, value := range values {
		if p.After && strings.Contains(string(value), p.Text) || strings.HasSuffix(string(value), p.Text) {
			add(r.texts.span(i, i+1))
		}
	}
}

// compared returns the rows of the values that stand to v, which they can be compared with, as
// op says.
func (s *section[K]) compared(op filter.Op, v attr.Value) []uint32 {
	// Values up to low are less than v, and those from high on greater.
	n := len(s.values)
	order := func(i int) int {
		order, _ := attr.Compare(s.values[i].value(), v)
		return order
	}
	low := sort.Search(n, func(i int) bool { return order(i) >= 0 })
	high := low
	if low < n && order(low) == 0 {
		high++
	}
	switch op {
	case filter.OpLt:
		return s.span(0, low)
	case filter.OpLe:
		return s.span(0, high)
	case filter.OpGt:
		return s.span(high, n)
	case filter.OpGe:
		return s.span(low, n)
	}
	return s.span(low, high)
}

// span returns the rows of values from..to-1.
func (s *section[K]) span(from, to int) []uint32 {
	if from == to {
		return nil
	}
	return s.rows[s.starts[from]:s.starts[to]]
}

func (s *section[K]) bytes() int {
	n := 4 * (len(s.starts) + len(s.rows))
	for _, v := range s.values {
		n += v.bytes()
	}
	return n
}

// weighed returns r with its size.
func (r *run) weighed() *run {
	r.size = runBytes + r.ints.bytes() + r.floats.bytes() + r.texts.bytes() + r.times.bytes() + r.bools.bytes() + r.nulls.bytes() + 4*(len(r.others)+len(r.empties))
	return r
}

// runBytes is what a run takes without values, and its part of a column: many columns may have none.
const runBytes = 1 << 10

// merged returns the values of both runs; the rows of b follow those of a.
func merged(a, b *run) *run {
	m := &run{
		rows:    a.rows + b.rows,
		ints:    a.ints.merged(&b.ints),
		floats:  a.floats.merged(&b.floats),
		texts:   a.texts.merged(&b.texts),
		times:   a.times.merged(&b.times),
		bools:   a.bools.merged(&b.bools),
		nulls:   a.nulls.merged(&b.nulls),
		others:  slices.Concat(a.others, b.others),
		empties: slices.Concat(a.empties, b.empties),
	}
	return m.weighed()
}

func (s *section[K]) merged(t *section[K]) section[K] {
	if len(s.values) == 0 {
		return *t
	}
	if len(t.values) == 0 {
		return *s
	}
	m := section[K]{rows: make([]uint32, 0, len(s.rows)+len(t.rows))}
	for i, j := 0, 0; i < len(s.values) || j < len(t.values); {
		order := 0
		switch {
		case i == len(s.values):
			order = 1
		case j == len(t.values):
			order = -1
		default:
			order = s.values[i].compare(t.values[j])
		}
		m.starts = append(m.starts, uint32(len(m.rows)))
		if order <= 0 {
			m.values = append(m.values, s.values[i])
			m.rows = append(m.rows, s.span(i, i+1)...)
			i++
		} else {
			m.values = append(m.values, t.values[j])
		}
		if order >= 0 {
			m.rows = append(m.rows, t.span(j, j+1)...)
			j++
		}
	}
	m.starts = append(m.starts, uint32(len(m.rows)))
	m.values, m.starts = slices.Clip(m.values), slices.Clip(m.starts)
	return m
}

// runBuilder gathers the values of a run, row by row.
type runBuilder struct {
	ints            []entry[integer]
	floats          []entry[fraction]
	texts           []entry[text]
	times           []entry[instant]
	bools           []entry[truth]
	nulls           []entry[null]
	others, empties []uint32
}

type entry[K any] struct {
	value K
	row   uint32
}

// add adds the value of a row, which is none of an earlier one.
func (b *runBuilder) add(row uint32, v attr.Value) {
	found := false
	if v.Kind() == attr.List {
		for _, element := range v.List() {
			found = b.element(row, element) || found
		}
	} else {
		found = b.element(row, v)
	}
	switch {
	case v.Empty():
		b.empties = append(b.empties, row)
	case v.Present() && !found:
		b.others = append(b.others, row)
	}
}

// element adds a value, or an element of a list. It returns false for what says nothing or
// cannot be compared.
func (b *runBuilder) element(row uint32, v attr.Value) bool {
	switch v.Kind() {
	case attr.Int:
		b.ints = append(b.ints, entry[integer]{integer(v.Int()), row})
	case attr.Float:
		b.floats = append(b.floats, entry[fraction]{fraction(v.Float()), row})
	case attr.String:
		b.texts = append(b.texts, entry[text]{text(v.Text()), row})
		if t, ok := attr.ParseTime(v.Text()); ok {
			b.times = append(b.times, entry[instant]{instant{t.Time().Unix(), int32(t.Time().Nanosecond())}, row})
		}
	case attr.Bool:
		b.bools = append(b.bools, entry[truth]{truth(v.Bool()), row})
	case attr.Null:
		b.nulls = append(b.nulls, entry[null]{null{}, row})
		return false
	default:
		return false
	}
	return true
}

// run returns the run of so many rows.
func (b *runBuilder) run(rows uint32) *run {
	r := &run{
		rows: rows,
		ints: sectionOf(b.ints), floats: sectionOf(b.floats), texts: sectionOf(b.texts),
		times: sectionOf(b.times), bools: sectionOf(b.bools), nulls: sectionOf(b.nulls),
		others: b.others, empties: b.empties,
	}
	return r.weighed()
}

// sectionOf sorts entries, which are by row.
func sectionOf[K key[K]](entries []entry[K]) (s section[K]) {
	if len(entries) == 0 {
		return s
	}
	slices.SortStableFunc(entries, func(a, b entry[K]) int { return a.value.compare(b.value) })
	s.rows = make([]uint32, 0, len(entries))
	for i, e := range entries {
		fresh := i == 0 || entries[i-1].value.compare(e.value) != 0
		if fresh {
			s.values = append(s.values, e.value)
			s.starts = append(s.starts, uint32(len(s.rows)))
		}
		if fresh || entries[i-1].row != e.row { // a list may have a value twice
			s.rows = append(s.rows, e.row)
		}
	}
	s.starts = append(s.starts, uint32(len(s.rows)))
	return s
}
