package convert

import (
	"github.com/hamnest/hamnest/index/api"
	hamnestv1 "github.com/hamnest/hamnest/proto/hamnest/v1"
)

// AliasToProto returns an alias; fields of violations are those of api.Alias.
func AliasToProto(bad *Violations, a api.Alias) *hamnestv1.Alias {
	return &hamnestv1.Alias{Name: bad.Text("name", a.Name), Collection: bad.Text("collection", a.Collection)}
}

// AliasFromProto returns an alias.
func AliasFromProto(a *hamnestv1.Alias) api.Alias {
	return api.Alias{Name: a.GetName(), Collection: a.GetCollection()}
}
