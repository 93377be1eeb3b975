package client

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// An application that only talks to a server is not to carry the engine: no kernels, no
// encoder that pulls them in, no bbolt.
func TestTheClientIsLight(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	light := []string{"client", "encoder/code", "encoder/floats", "index/api", "proto/hamnest/v1", "proto/hamnest/v1/convert", "storage/fault"}
	for dep := range strings.Lines(string(out)) {
		dep = strings.TrimSpace(dep)
		ours, is := strings.CutPrefix(dep, "github.com/hamnest/hamnest/")
		if is && !slices.Contains(light, ours) || strings.HasPrefix(dep, "go.etcd.io/") || strings.Contains(dep, "klauspost/cpuid") {
			t.Errorf("the client pulls in %s, want nothing of ours but %q, no bbolt and no kernels", dep, light)
		}
	}
}
