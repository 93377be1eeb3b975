package files

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/hamnest/hamnest/index"
)

// WriteID writes the line of a record: its id, or an object with the metadata too.
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
		if own, err := members.get("id"); own != nil || err != nil {
			return fmt.Errorf(`metadata of %q has an "id" of its own, want --ids FILE%s, which leaves it out`, rec.ID, Text)
		}
	}
	members = append(object{{text: append([]byte(`"id": `), id...)}}, members...)
	var line bytes.Buffer
	if err := json.Compact(&line, members.without()); err != nil { // what was kept may have line breaks
		return err
	}
	_, err = fmt.Fprintf(lines, "%s\n", line.Bytes())
	return err
}
