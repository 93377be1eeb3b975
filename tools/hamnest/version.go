package main

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/hamnest/hamnest/index/hamming"
	"github.com/hamnest/hamnest/tools/hamnest/show"
)

func versionCommand(format *show.Format) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Show what this program was built from",
		Long: `Version shows the version of the program and the commit it was built from (when the
build knew them), the Go version, the platform, and the scan kernel that this machine
can run. HAMNEST_KERNEL forces another kernel.`,
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
	v := versionJSON{
		Version:  "unknown",
		Go:       runtime.Version(),
		Platform: runtime.GOOS + "/" + runtime.GOARCH,
		Kernel:   hamming.Kernel(),
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if info.Main.Version != "" {
		v.Version = info.Main.Version
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
	rows := [][]string{{"hamnest", v.Version}}
	if v.Revision != "" {
		revision := v.Revision
		if v.Modified {
			revision += ", with local changes"
		}
		rows = append(rows, []string{"commit", revision}, []string{"of", v.Time})
	}
	rows = append(rows, []string{"go", v.Go}, []string{"platform", v.Platform}, []string{"kernel", v.Kernel})
	return out.Table(nil, rows)
}
