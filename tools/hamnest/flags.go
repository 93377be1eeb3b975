package main

import (
	"fmt"
	"math"
	"runtime"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/encoder/floats"
	"github.com/hamnest/hamnest/index"
	"github.com/hamnest/hamnest/tools/hamnest/files"
)

// addDialectFlag adds the flag that says how codes are packed.
func addDialectFlag(cmd *cobra.Command, dialect *string, usage string) {
	cmd.Flags().StringVar(dialect, "dialect", "", usage+": `name` of how they are packed, numpy, numpy-signed, pgvector or faiss")
	completeFrom(cmd, "dialect", "numpy", "numpy-signed", "pgvector", "faiss")
}

// parseDialect returns the dialect of that name. what is the flag that needs it.
func parseDialect(what, name string) (code.Dialect, error) {
	if name == "" {
		return 0, fmt.Errorf("a code does not say how it is packed: with %s, want --dialect numpy, numpy-signed, pgvector or faiss", what)
	}
	return code.ParseDialect(name)
}

// addFilterFlag adds the flag that says which vectors a command is about.
func addFilterFlag(cmd *cobra.Command, filter *string, usage string) {
	cmd.Flags().StringVar(filter, "filter", "", usage+" whose metadata matches this `expression`, such as 'section = \"games\" AND size_kb < 500'")
}

// checkIDs returns what is wrong with the ids of a command line.
func checkIDs(ids ...string) error {
	for _, id := range ids {
		if err := files.CheckID(id); err != nil {
			return err
		}
	}
	return nil
}

// countFlag is a number that may be written like 1M, 250k, 1e6 or 1_000_000.
type countFlag[T int | uint64] struct{ value *T }

// String, Set and Type make a countFlag a flag.
func (f countFlag[T]) String() string {
	if f.value == nil || *f.value == 0 {
		return "0"
	}
	return fmt.Sprint(*f.value)
}

// Set takes a whole number, with underscores, an exponent, or k, M or G for 10^3, 10^6
// or 10^9.
func (f countFlag[T]) Set(s string) error {
	n, err := parseCount(s)
	if err != nil {
		return err
	}
	*f.value = T(n)
	return nil
}

// Type names the value in help texts.
func (f countFlag[T]) Type() string { return "number" }

// maxCount is the largest n for which a float64 holds every whole number from 0 to n.
const maxCount = 1 << 53

func parseCount(s string) (uint64, error) {
	text, factor := strings.ReplaceAll(s, "_", ""), 1.0
	if text != "" {
		if at := strings.IndexByte("kMG", text[len(text)-1]); at >= 0 {
			text, factor = text[:len(text)-1], math.Pow(1000, float64(at+1))
		}
	}
	x, err := strconv.ParseFloat(text, 64)
	x *= factor
	if err != nil || !(x >= 0 && x <= maxCount) || x != math.Trunc(x) || strings.ContainsAny(text, "xXpP") {
		return 0, fmt.Errorf("found %q, want a whole number such as 1000000, 1_000_000, 1e6, 1M or 250k", s)
	}
	return uint64(x), nil
}

// addThreads adds the flag that says how many threads a command computes on.
func addThreads(cmd *cobra.Command) {
	threads := 0
	cmd.Flags().IntVar(&threads, "threads", 0, "threads to compute on (default one for each core)")
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if threads < 0 || threads == 0 && cmd.Flags().Changed("threads") {
			return fmt.Errorf("--threads is %d, want at least 1", threads)
		}
		if threads > 0 {
			before := runtime.GOMAXPROCS(threads)
			defer runtime.GOMAXPROCS(before)
		}
		return run(cmd, args)
	}
}

// addTrustOlderCodes adds the flag for index.Options.TrustOlderCodes.
func addTrustOlderCodes(cmd *cobra.Command, trust *bool) {
	cmd.Flags().BoolVar(trust, "trust-older-codes", false, "open codes without vectors that an older version wrote, although their files do not say how it rotated them; they are right if it was built from commit d4867b2 or later")
}

// shapeFlags are the flags that shape a collection. Create, ingest and plan share them, so
// that all three have the same defaults.
type shapeFlags struct {
	spec           index.Spec
	profile, store string
}

func (f *shapeFlags) register(cmd *cobra.Command, when string) {
	flags := cmd.Flags()
	flags.IntSliceVar(&f.spec.Ladder, "ladder", nil, when+"sizes to which vectors can be cut, ascending (default 64, 128, 256, 512, ... below dims, then dims)")
	flags.IntVar(&f.spec.Bits, "bits", 0, when+"the most bits that a learned code may have (default dims and 256 more)")
	flags.TextVar(&f.spec.Metric, "metric", encoder.Cosine, when+"`metric` of the scores: cosine, dot, or l2 (minus the squared Euclidean distance)")
	flags.StringVar(&f.profile, "profile", encoder.Learned.String(), when+"`profile`, how vectors become bits: learned or signs")
	flags.StringVar(&f.store, "store", encoder.Float32.String(), when+"`precision` of the stored vectors: float32, float16, bfloat16, int8, or none for codes alone")
	completeFrom(cmd, "metric", "cosine", "dot", "l2")
	completeFrom(cmd, "profile", encoder.Learned.String(), encoder.Signs.String())
	completeFrom(cmd, "store", "float32", "float16", "bfloat16", "int8", "none")
}

// parse puts the names that were given into the spec.
func (f *shapeFlags) parse() (err error) {
	if f.spec.Profile, err = code.ParseKind(f.profile); err != nil {
		return err
	}
	f.spec.Store, err = floats.ParsePrecision(f.store)
	return err
}
