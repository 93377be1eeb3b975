package files

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/hamnest/hamnest/index"
)

// WriteID writes the line of a record as a file of ids has it: the id, or an object of the
// id and the metadata's members. Metadata that has a member "id" or "metadata" is one member
// of its own, "metadata".
func WriteID(lines io.Writer, rec index.Record, asJSON bool) error {
	if !asJSON {
		if rec.ID != strings.TrimRight(rec.ID, "\r") || strings.Contains(rec.ID, "\n") {
			return fmt.Errorf("id %q has a line break, want --ids FILE%s for such ids", rec.ID, JSONLines)
		}
		_, err := fmt.Fprintln(lines, rec.ID)
		return err
	}
	id, err := json.Marshal(rec.ID)
	if err != nil {
		return err
	}
	var members object
	if len(rec.Metadata) > 0 {
		if members, err = ParseObject(rec.Metadata); err != nil {
			return fmt.Errorf("metadata of %q: %w", rec.ID, err)
		}
		named := func(name string) bool {
			return slices.ContainsFunc(members, func(m member) bool { return m.name == name })
		}
		if named("id") || named(metadataKey) { // outside "metadata" they would be read as something else
			members = object{{name: metadataKey, text: append([]byte(`"metadata": `), rec.Metadata...)}}
		}
	}
	members = append(object{{text: append([]byte(`"id": `), id...)}}, members...)
	var line bytes.Buffer
	if err := json.Compact(&line, members.without()); err != nil { // stored metadata may have line breaks
		return err
	}
	_, err = fmt.Fprintf(lines, "%s\n", line.Bytes())
	return err
}
