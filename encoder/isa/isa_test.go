package isa

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

func TestASetThatCannotRunIsAnErrorAndEndsNoProgram(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	run := func(name string) (string, error) {
		cmd := exec.Command(exe, "-test.run", "^TestASetCanBeChosen$", "-test.v")
		cmd.Env = append(os.Environ(), Variable+"="+name)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if _, err := run(""); errors.Is(err, syscall.ENOEXEC) {
		t.Skip("an emulator runs this test, and the machine below cannot start its program a second time")
	}
	usable := Usable()
	want := "active is " + usable[len(usable)-1].String() + `, error HAMNEST_KERNEL is "quantum", want one that this machine can run: [generic`
	if out, err := run("quantum"); err != nil || !strings.Contains(out, want) {
		t.Errorf("quantum: it said %q (%v), want %q", out, err, want)
	}
	for _, s := range usable {
		if out, err := run(s.String()); err != nil || !strings.Contains(out, "active is "+s.String()+", error <nil>") {
			t.Errorf("%v: it said %q (%v)", s, out, err)
		}
	}
}

func TestASetCanBeChosen(t *testing.T) {
	t.Logf("active is %v, error %v", Active(), Err())
}
