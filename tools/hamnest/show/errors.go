package show

import "regexp"

// inside is what errors say for programmers: the package that an error comes from, or the
// status that came over the wire.
var inside = regexp.MustCompile(`(^|[:;(] )((index|attr|filter|codes|storage|encoder|code|rotation|basis|hamming|dense|topk|server|client|npy|synthetic|machine): )+|rpc error: code = \w+ desc = `)

// Plain returns the text of an error for people who use the program and do not know what
// packages it is made of.
func Plain(text string) string { return inside.ReplaceAllString(text, "$1") }
