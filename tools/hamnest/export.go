package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/index"
	"github.com/hamnest/hamnest/index/api"
	"github.com/hamnest/hamnest/tools/hamnest/files"
	"github.com/hamnest/hamnest/tools/hamnest/npy"
	"github.com/hamnest/hamnest/tools/hamnest/show"
)

const (
	exportVectors = "vectors"
	exportCodes   = "codes"
)

// exportFlags are the flags of export.
type exportFlags struct {
	what, dialect string
	out, ids      string
	filter        string
}

func exportCommand(format *show.Format) *cobra.Command {
	var store storeFlags
	var flags exportFlags
	cmd := &cobra.Command{
		Use:   "export NAME --what codes|vectors --out FILE.npy",
		Short: "Write the codes or the vectors of a collection to a file",
		Long: `Export writes a matrix that numpy.load reads, with a row for each vector in the order
in which they were stored:

  --what vectors  float32, as they are stored
  --what codes    one bit a dimension, the signs of the vectors, packed as --dialect
                  says: uint8, or int8 for numpy-signed. The collection's own codes have
                  more bits, but mean nothing elsewhere

--filter writes only the vectors whose metadata matches.

--ids writes the ids of the rows, a line for each: the id alone to a .txt file, or an
object with the id and the members of the metadata to a .jsonl file. Metadata with a
member "id" or "metadata" is written as one member, "metadata". hamnest ingest --ids
reads both files. Export never overwrites a file.`,
		Example: `  hamnest export packages --what vectors --out vectors.npy --ids ids.jsonl --data ./vectors
  hamnest export packages --what codes --dialect numpy --out codes.npy --server localhost:7700`,
		Args: wantArgs(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dialect, err := flags.check()
			if err != nil {
				return err
			}
			return store.withReader(cmd, func(ctx context.Context, b api.Engine) error {
				info, err := b.GetCollection(ctx, args[0])
				if err != nil {
					return err
				}
				summary, err := flags.export(ctx, cmd, b, info, dialect)
				if err != nil {
					return err
				}
				return summary.print(newOutput(cmd, format))
			})
		},
	}
	store.register(cmd)
	cmd.Flags().StringVar(&flags.what, "what", "", "what to write: codes or vectors (required)")
	completeFrom(cmd, "what", exportCodes, exportVectors)
	addDialectFlag(cmd, &flags.dialect, "with --what codes")
	addFilterFlag(cmd, &flags.filter, "write only the vectors")
	cmd.Flags().StringVar(&flags.out, "out", "", "`file` to write, .npy (required)")
	cmd.Flags().StringVar(&flags.ids, "ids", "", "`file` to write the ids to, .txt or .jsonl")
	for _, name := range []string{"what", "out"} {
		if err := cmd.MarkFlagRequired(name); err != nil {
			panic("hamnest: " + err.Error())
		}
	}
	return cmd
}

// check returns the dialect of codes.
func (f *exportFlags) check() (dialect code.Dialect, err error) {
	switch {
	case f.what == exportCodes:
		if dialect, err = parseDialect("--what codes", f.dialect); err != nil {
			return 0, err
		}
	case f.what != exportVectors:
		return 0, fmt.Errorf("--what: found %q, want %s or %s", f.what, exportCodes, exportVectors)
	case f.dialect != "":
		return 0, errors.New("--dialect says how codes are packed, want --what codes with it")
	}
	if _, err := files.Kind(f.out, files.Matrix); err != nil {
		return 0, err
	}
	if f.ids != "" {
		_, err = files.Kind(f.ids, files.Text, files.JSONLines)
	}
	return dialect, err
}

// export writes the files, or none when it fails.
func (f *exportFlags) export(ctx context.Context, cmd *cobra.Command, b api.Engine, info index.Info, dialect code.Dialect) (exportSummary, error) {
	summary := exportSummary{Collection: info.Name, What: f.what, File: f.out}
	vectors, err := b.Count(ctx, info.Name, f.filter)
	if err != nil {
		return summary, err
	}
	p := show.NewProgress(cmd.ErrOrStderr(), "exporting", int64(vectors), false)
	defer p.Done()
	err = newFile(f.out, func(out *os.File) error {
		if f.ids == "" {
			return f.write(ctx, b, info, dialect, out, io.Discard, &summary, p)
		}
		return newFile(f.ids, func(ids *os.File) error {
			return f.write(ctx, b, info, dialect, out, ids, &summary, p)
		})
	})
	return summary, err
}

// write writes a row, and a line of ids, for each record.
func (f *exportFlags) write(ctx context.Context, b api.Engine, info index.Info, dialect code.Dialect, out io.WriteSeeker, ids io.Writer, summary *exportSummary, p *show.Progress) error {
	elem, cols := npy.Float32, info.Dims
	if f.what == exportCodes {
		elem, cols = files.ElementOf(dialect), code.Bytes(info.Dims)
	}
	opts := index.ReadOptions{
		Filter:       f.filter,
		WithVector:   f.what == exportVectors,
		WithCode:     f.what == exportCodes,
		WithMetadata: strings.HasSuffix(strings.ToLower(f.ids), files.JSONLines),
	}
	matrix, lines := npy.NewWriter(out, elem, cols), bufio.NewWriter(ids)
	var packed []byte
	for rec, err := range api.List(ctx, b, info.Name, opts) {
		switch {
		case err != nil:
		case opts.WithVector:
			err = matrix.WriteFloats(rec.Vector)
		default:
			packed = dialect.AppendPacked(packed[:0], rec.Code, info.Dims)
			err = matrix.WriteBytes(packed)
		}
		if err == nil && f.ids != "" {
			err = files.WriteID(lines, rec, opts.WithMetadata)
		}
		if err := cmp.Or(err, ctx.Err()); err != nil {
			return err
		}
		summary.Rows++
		p.Add(1)
	}
	return errors.Join(matrix.Close(), lines.Flush())
}

// newFile makes a file, which must not be there, and takes it away again when write
// fails.
func newFile(name string, write func(*os.File) error) error {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	if err := errors.Join(write(file), file.Close()); err != nil {
		return errors.Join(err, os.Remove(name))
	}
	return nil
}

// exportSummary is the result of an export.
type exportSummary struct {
	Collection string `json:"collection"`
	What       string `json:"what"`
	File       string `json:"file"`
	Rows       uint64 `json:"rows"`
}

func (s exportSummary) print(out show.Output) error {
	if out.JSON {
		return out.Object(s)
	}
	return out.Printf("%d %s of %q written to %s\n", s.Rows, s.What, s.Collection, s.File)
}
