package main

import (
	"fmt"
	"net"
	"strings"
)

// defaultPort is the port on which hamnest serve listens by default.
const defaultPort = "7700"

// serverAddress returns the target that --server names. It adds the default port if there is
// none, because gRPC would use 443. The target may be a host name, an IPv4 or IPv6 address, a
// target of gRPC's DNS resolver such as dns:///host, or unix:PATH.
func serverAddress(s string) (string, error) {
	switch scheme, rest, _ := strings.Cut(s, ":"); {
	case scheme == "unix" || scheme == "unix-abstract":
		if strings.Trim(rest, "/") == "" {
			return "", fmt.Errorf("server %q names no socket, want unix:PATH", s)
		}
		return s, nil
	case scheme == "dns" && !isPort(rest):
		at := strings.LastIndex(rest, "/") + 1
		host, err := withPort(rest[at:])
		return scheme + ":" + rest[:at] + host, err
	}
	if strings.Contains(s, "/") {
		return "", fmt.Errorf("server %q is not an address, want HOST:PORT, dns:///HOST:PORT or unix:PATH", s)
	}
	return withPort(s)
}

// isPort reports whether s is a number: then dns:NUMBER is a host of that name.
func isPort(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// withPort adds the default port to a host that has none.
func withPort(s string) (string, error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil { // there is no port, or an IPv6 address stands without brackets
		host, port = strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"), ""
		if strings.Contains(host, ":") && net.ParseIP(host) == nil {
			return "", fmt.Errorf("server %q: found more than one colon, want HOST:PORT, or [ADDRESS]:PORT for IPv6", s)
		}
	}
	if host == "" {
		return "", fmt.Errorf("server %q names no host, want HOST:PORT", s)
	}
	if port == "" {
		port = defaultPort
	}
	return net.JoinHostPort(host, port), nil
}
