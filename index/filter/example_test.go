package filter_test

import (
	"fmt"

	"github.com/hamnest/hamnest/index/filter"
)

func ExampleField() {
	name := `games" OR section = "admin` // whatever a user typed
	e := filter.Field("section").Eq(name).And(
		filter.Field("size_kb").Lt(500),
		filter.Not(filter.Field("essential").Eq(true)),
	)
	fmt.Println(e)
	// Output: section = "games\" OR section = \"admin" AND size_kb < 500 AND NOT essential = true
}

func ExampleParse() {
	e, err := filter.Parse(`size_kb < 500 AND section = games`)
	fmt.Println(e, err)
	e, err = filter.Parse(`size_kb < 500 AND section = "games"`)
	fmt.Println(e, err)
	ok, err := e.Match(nil, "lib-7", []byte(`{"section": "games", "size_kb": 120}`))
	fmt.Println(ok, err)
	// Output:
	//  filter: column 29: found games, want a value; write "games", in quotation marks, for the string
	// size_kb < 500 AND section = "games" <nil>
	// true <nil>
}

func ExampleExpr_Normalize() {
	a, _ := filter.Parse(`NOT (NOT section = "games" OR NOT (id = "b" OR id = "a"))`)
	b, _ := filter.Parse(`in(id, "a", "b") AND section = 'games'`)
	fmt.Println(a.Normalize())
	fmt.Println(b.Normalize())
	// Output:
	// in(id, "a", "b") AND section = "games"
	// in(id, "a", "b") AND section = "games"
}
