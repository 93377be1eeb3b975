package index_test

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/hamnest/hamnest/encoder/isa"
	"github.com/hamnest/hamnest/index"
)

// envOpens is where a child process opens a DB.
const envOpens = "HAMNEST_TEST_OPENS"

func TestAKernelThatIsNotThereIsAnErrorOfOpen(t *testing.T) {
	if dir := os.Getenv(envOpens); dir != "" {
		db, err := index.Open(dir, index.Options{})
		t.Logf("Open said: %v", err)
		if err == nil {
			t.Log(db.Close())
		}
		return
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	open := func(kernel string) string {
		child := exec.Command(exe, "-test.run", "^"+t.Name()+"$", "-test.v")
		child.Env = append(os.Environ(), envOpens+"="+t.TempDir(), isa.Variable+"="+kernel)
		out, err := child.CombinedOutput()
		if errors.Is(err, syscall.ENOEXEC) {
			t.Skip("an emulator runs this test, and the machine below cannot start its program a second time")
		}
		if err != nil {
			t.Fatalf("kernel %q ended the process: %v: %s", kernel, err, out)
		}
		return string(out)
	}
	if out, want := open("quantum"), `Open said: HAMNEST_KERNEL is "quantum", want one that this machine can run: [generic`; !strings.Contains(out, want) {
		t.Errorf("it said %q, want %q", out, want)
	}
	if out := open("generic"); !strings.Contains(out, "Open said: <nil>") {
		t.Errorf("generic: it said %q", out)
	}
}
