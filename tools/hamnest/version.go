package main

import (
	"cmp"
	"regexp"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"github.com/hamnest/hamnest/index/hamming"
	"github.com/hamnest/hamnest/tools/hamnest/show"
)

func versionCommand(format *show.Format) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Show what this program was built from",
		Long: `Version shows the version of the program, the commit it was built from and the date of
that commit (if the build recorded them), the Go version, the platform, and the kernel
that scans use on this machine. HAMNEST_KERNEL selects another kernel.`,
		Example: `  hamnest version
  hamnest version --format json`,
		Args: wantArgs(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return printVersion(newOutput(cmd, format), readVersion())
		},
	}
}

// versionJSON is what the program was built from, as --format json prints it.
type versionJSON struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Modified bool   `json:"modified,omitempty"`
	Time     string `json:"time,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
	Kernel   string `json:"kernel"`
}

func readVersion() versionJSON {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	v := versionOf(info)
	v.Go, v.Platform, v.Kernel = runtime.Version(), runtime.GOOS+"/"+runtime.GOARCH, hamming.Kernel()
	return v
}

// pseudoVersion matches the version of an untagged commit. A build without the repository, such as
// by go install, has the commit and its time only there.
var pseudoVersion = regexp.MustCompile(`[.-](\d{14})-([0-9a-f]{12})(\+.*)?$`)

// versionOf returns what a build recorded about its source.
func versionOf(info *debug.BuildInfo) versionJSON {
	v := versionJSON{Version: cmp.Or(info.Main.Version, "unknown")}
	if m := pseudoVersion.FindStringSubmatch(v.Version); m != nil {
		v.Revision, v.Modified = m[2], m[3] == "+dirty"
		if at, err := time.Parse("20060102150405", m[1]); err == nil {
			v.Time = at.Format(time.RFC3339)
		}
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Revision = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		case "vcs.time":
			v.Time = s.Value
		}
	}
	return v
}

func printVersion(out show.Output, v versionJSON) error {
	if out.JSON {
		return out.Object(v)
	}
	commit := cmp.Or(v.Revision, "unknown: built without the repository, for example by go run")
	if v.Modified {
		commit += ", with local changes"
	}
	return out.Table(nil, [][]string{
		{"hamnest", v.Version},
		{"commit", commit},
		{"date", cmp.Or(v.Time, "unknown")},
		{"go", v.Go},
		{"platform", v.Platform},
		{"kernel", v.Kernel},
	})
}
