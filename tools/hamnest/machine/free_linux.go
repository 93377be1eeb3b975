package machine

import (
	"bufio"
	"bytes"
	"os"
	"strconv"
	"strings"
)

// FreeBytes returns how much memory this process can take without swapping, and whether that is
// known: what is available on the machine, or less in a container with a limit.
func FreeBytes() (uint64, bool) {
	free, known := available()
	limit, errLimit := number("/sys/fs/cgroup/memory.max")
	used, errUsed := number("/sys/fs/cgroup/memory.current")
	if errLimit == nil && errUsed == nil {
		left := limit - min(limit, used)
		if !known || left < free {
			free, known = left, true
		}
	}
	return free, known
}

// available returns Linux's estimate: free memory, and what it can reclaim at once.
func available() (uint64, bool) {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, false
	}
	for lines := bufio.NewScanner(bytes.NewReader(b)); lines.Scan(); {
		if kib, found := strings.CutPrefix(lines.Text(), "MemAvailable:"); found {
			n, err := strconv.ParseUint(strings.TrimSpace(strings.TrimSuffix(kib, "kB")), 10, 64)
			return n << 10, err == nil
		}
	}
	return 0, false
}

// number reads a file that holds a number. Without a limit memory.max says "max", which is an error
// here.
func number(path string) (uint64, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
}
