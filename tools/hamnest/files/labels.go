package files

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"
)

// labels gives the rows of matrices their ids and metadata, from the files of an
// input's ids and metadata: line i is about row i of all matrices together.
type labels struct {
	ids, metadata *Lines // nil when the input has no such file
	idsAreJSON    bool
	rows          int // how many rows the matrices have
}

func (in Input) openLabels() (_ *labels, err error) {
	l := &labels{}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.Close())
		}
	}()
	if in.IDs == "" && in.Metadata == "" {
		return l, nil
	}
	layout, err := in.Layout()
	if err != nil {
		return nil, err
	}
	l.rows = layout.Rows
	if in.IDs != "" {
		if l.ids, l.idsAreJSON, err = openIDs(in.Open, in.IDs); err != nil {
			return nil, err
		}
	}
	if in.Metadata != "" {
		if _, err := Kind(in.Metadata, JSONLines); err != nil {
			return nil, err
		}
		if l.metadata, err = OpenLines(in.Open, in.Metadata); err != nil {
			return nil, err
		}
	}
	return l, nil
}

func (l *labels) Close() error {
	var errs []error
	for _, file := range []*Lines{l.ids, l.metadata} {
		if file != nil {
			errs = append(errs, file.Close())
		}
	}
	return errors.Join(errs...)
}

// next returns the id and the metadata of the next row, whose number is row, or in bad what is
// wrong with its lines. After err no more rows can be read.
func (l *labels) next(row int) (id string, metadata []byte, bad, err error) {
	id = strconv.Itoa(row)
	if l.ids != nil {
		id, metadata, bad = nextID(l.ids, l.idsAreJSON)
		if bad != nil && !ofLine(bad) {
			return "", nil, nil, l.tooShort(l.ids, bad)
		}
	}
	if l.metadata != nil {
		_, badMetadata := l.metadata.object()
		if badMetadata != nil && !ofLine(badMetadata) {
			return "", nil, nil, l.tooShort(l.metadata, badMetadata)
		}
		bad = cmp.Or(bad, badMetadata)
		metadata = bytes.Clone(bytes.TrimSpace(l.metadata.Line))
	}
	return id, metadata, bad, nil
}

// tooShort returns the error of a file that has fewer lines than there are rows.
func (l *labels) tooShort(file *Lines, err error) error {
	if errors.Is(err, io.EOF) {
		return l.lineCountError(file)
	}
	return err
}

func (l *labels) lineCountError(file *Lines) error {
	return fmt.Errorf("%s: found %d lines, want %d: one for each row", file.name, file.Number, l.rows)
}

// end returns an error when a file has more lines than there were rows.
func (l *labels) end() error {
	for _, file := range []*Lines{l.ids, l.metadata} {
		if file == nil {
			continue
		}
		for {
			_, err := file.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil && !ofLine(err) {
				return err
			}
		}
		if file.Number != l.rows {
			return l.lineCountError(file)
		}
	}
	return nil
}

// openIDs opens a file of ids: .txt with one a line, or .jsonl with an "id" in
// every line.
func openIDs(open Opener, name string) (l *Lines, areJSON bool, err error) {
	k, err := Kind(name, Text, JSONLines)
	if err != nil {
		return nil, false, err
	}
	l, err = OpenLines(open, name)
	return l, k == JSONLines, err
}

// nextID returns the id in the next line of a file of ids, and the metadata in that line,
// nil when there is none: the object "metadata" when there is nothing else beside the id,
// otherwise all that is beside the id. At the end it returns io.EOF.
func nextID(l *Lines, isJSON bool) (id string, metadata []byte, err error) {
	if !isJSON {
		line, err := l.Next()
		if err == nil {
			if reason := CheckID(string(line)); reason != nil {
				err = l.Errorf("%w", reason)
			}
		}
		return string(line), nil, err
	}
	o, err := l.object()
	if err != nil {
		return "", nil, err
	}
	id, err = o.id()
	if err == nil {
		err = CheckID(id)
	}
	if err != nil {
		return "", nil, l.Errorf("%w", err)
	}
	if own, err := o.get(metadataKey); err == nil && len(o) == 2 && len(own) > 0 && own[0] == '{' {
		return id, bytes.Clone(own), nil
	}
	return id, o.without("id"), nil
}

// metadataKey names the metadata of a record in a line.
const metadataKey = "metadata"

// CheckID returns why no record can have this id.
func CheckID(id string) error {
	switch {
	case id == "":
		return errors.New("id is empty, want 1 to " + strconv.Itoa(maxIDBytes) + " bytes")
	case len(id) > maxIDBytes:
		return fmt.Errorf("id %s has %d bytes, want 1 to %d", Excerpt([]byte(id)), len(id), maxIDBytes)
	case !utf8.ValidString(id):
		return fmt.Errorf("id %s is not UTF-8", Excerpt([]byte(id)))
	}
	return nil
}

// ReadIDs returns the ids of a file, one a line; those past the first limit are
// left out.
func ReadIDs(open Opener, name string, limit int) (ids []string, err error) {
	l, isJSON, err := openIDs(open, name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	for len(ids) < limit {
		id, _, err := nextID(l, isJSON)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}
