//go:build !amd64 || purego

package basis

import "github.com/hamnest/hamnest/encoder/isa"

// sets lists the usable sets.
func sets() []isa.Set { return isa.Usable() }
