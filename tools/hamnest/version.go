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
		Long: `Version shows the version of the program, the commit it was built from and its date (when
the build knew them), the Go version, the platform, and the kernel that scans use on this
machine. HAMNEST_KERNEL chooses another kernel.`,
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

// pseudoVersion is the version of a commit that has no name: where a build was made without
// the repository, as by go install, the commit and its time stand in there.
var pseudoVersion = regexp.MustCompile(`[.-](\d{14})-([0-9a-f]{12})(\+.*)?$`)

// versionOf says what a build knows of its source.
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
	commit := cmp.Or(v.Revision, "unknown: this program was built without its repository, as by go run")
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
