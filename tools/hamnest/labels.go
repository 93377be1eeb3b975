package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// labels gives the rows of matrices their ids and metadata, from the files of an
// input's ids and metadata: line i is about row i of all matrices together.
type labels struct {
	ids, metadata *lineReader // nil when the input has no such file
	idsAreJSON    bool
	rows          int // how many rows the matrices have
}

func (in input) openLabels() (_ *labels, err error) {
	l := &labels{}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.Close())
		}
	}()
	if in.ids == "" && in.metadata == "" {
		return l, nil
	}
	layout, err := in.layout()
	if err != nil {
		return nil, err
	}
	l.rows = layout.rows
	if in.ids != "" {
		if l.ids, l.idsAreJSON, err = openIDs(in.open, in.ids); err != nil {
			return nil, err
		}
	}
	if in.metadata != "" {
		if _, err := kind(in.metadata, jsonFile); err != nil {
			return nil, err
		}
		if l.metadata, err = openLines(in.open, in.metadata); err != nil {
			return nil, err
		}
	}
	return l, nil
}

func (l *labels) Close() error {
	var errs []error
	for _, file := range []*lineReader{l.ids, l.metadata} {
		if file != nil {
			errs = append(errs, file.Close())
		}
	}
	return errors.Join(errs...)
}

// next returns the id and the metadata of the next row, whose number is row.
func (l *labels) next(row int) (id string, metadata []byte, err error) {
	id = strconv.Itoa(row)
	if l.ids != nil {
		var rest []byte
		if id, rest, err = nextID(l.ids, l.idsAreJSON); err != nil {
			return "", nil, l.tooShort(l.ids, err)
		}
		metadata = rest
	}
	if l.metadata != nil {
		if _, err := l.metadata.object(); err != nil {
			return "", nil, l.tooShort(l.metadata, err)
		}
		metadata = bytes.Clone(bytes.TrimSpace(l.metadata.line))
	}
	return id, metadata, nil
}

// tooShort turns the end of a file that rows still need into an error.
func (l *labels) tooShort(file *lineReader, err error) error {
	if errors.Is(err, io.EOF) {
		return l.lineCountError(file)
	}
	return err
}

func (l *labels) lineCountError(file *lineReader) error {
	return fmt.Errorf("%s: found %d lines, want %d: one for each row", file.name, file.number, l.rows)
}

// end returns an error when a file has more lines than there were rows.
func (l *labels) end() error {
	for _, file := range []*lineReader{l.ids, l.metadata} {
		if file == nil {
			continue
		}
		for {
			_, err := file.next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
		}
		if file.number != l.rows {
			return l.lineCountError(file)
		}
	}
	return nil
}

// openIDs opens a file of ids: .txt with one a line, or .jsonl with an "id" in
// every line.
func openIDs(open opener, name string) (l *lineReader, areJSON bool, err error) {
	k, err := kind(name, textFile, jsonFile)
	if err != nil {
		return nil, false, err
	}
	l, err = openLines(open, name)
	return l, k == jsonFile, err
}

// nextID returns the id in the next line of a file of ids, and what else is in
// that line as a JSON object, nil when nothing is. At the end it returns io.EOF.
func nextID(l *lineReader, isJSON bool) (id string, rest []byte, err error) {
	if !isJSON {
		line, err := l.next()
		if err == nil && len(line) == 0 {
			err = l.errorf("is empty, want an id")
		}
		return string(line), nil, err
	}
	o, err := l.object()
	if err != nil {
		return "", nil, err
	}
	id, err = o.id()
	if err != nil {
		return "", nil, l.errorf("%w", err)
	}
	return id, o.without("id"), nil
}

// readIDs returns the ids of a file, one a line; those past the first limit are
// left out.
func readIDs(open opener, name string, limit int) (ids []string, err error) {
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
