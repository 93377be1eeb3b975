package main

import (
	"strings"
	"testing"
)

func TestAServerWithoutAPortHasOurs(t *testing.T) {
	for in, want := range map[string]string{
		"127.0.0.1":             "127.0.0.1:7700",
		"127.0.0.1:80":          "127.0.0.1:80",
		"localhost":             "localhost:7700",
		"localhost:":            "localhost:7700",
		"db.example.org:1":      "db.example.org:1",
		"::1":                   "[::1]:7700",
		"[::1]":                 "[::1]:7700",
		"[::1]:80":              "[::1]:80",
		"fe80::1%eth0":          "", // a zone goes in brackets
		"[fe80::1%eth0]:80":     "[fe80::1%eth0]:80",
		"dns:80":                "dns:80",
		"dns:///host":           "dns:///host:7700",
		"dns:///host:80":        "dns:///host:80",
		"dns://8.8.8.8/host":    "dns://8.8.8.8/host:7700",
		"dns:host":              "dns:host:7700",
		"unix:/run/hamnest":     "unix:/run/hamnest",
		"unix:///run/hamnest":   "unix:///run/hamnest",
		"unix-abstract:hamnest": "unix-abstract:hamnest",
		"unix:":                 "",
		"http://localhost:7700": "",
		"localhost:7700/path":   "",
		"a:b:c":                 "",
		":7700":                 "",
		"dns:///":               "",
	} {
		got, err := serverAddress(in)
		if got != want && want != "" || (err == nil) != (want != "") {
			t.Errorf("%q is %q, %v, want %q", in, got, err, want)
		}
		if err != nil && !strings.Contains(err.Error(), "want ") {
			t.Errorf("%q: error %q does not say what is wanted", in, err)
		}
	}
}
