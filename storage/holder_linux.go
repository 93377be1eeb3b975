package storage

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// holder says which process has a lock on the file at path, after a comma, or nothing if
// that is unknown.
func holder(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	locks, err := os.ReadFile("/proc/locks")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(locks)) {
		// 1: FLOCK ADVISORY WRITE <process> <major>:<minor>:<inode> 0 EOF
		fields := strings.Fields(line)
		if len(fields) < 6 || fields[1] != "FLOCK" || fields[4] == "0" || !strings.HasSuffix(fields[5], fmt.Sprintf(":%d", stat.Ino)) {
			continue
		}
		command, err := os.ReadFile("/proc/" + fields[4] + "/cmdline")
		if err != nil {
			return ", " + fields[4]
		}
		command = bytes.TrimRight(bytes.ReplaceAll(command, []byte{0}, []byte{' '}), " ")
		return fmt.Sprintf(", %s: %.200s", fields[4], command)
	}
	return ""
}
