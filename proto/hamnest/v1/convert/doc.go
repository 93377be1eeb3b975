// Package convert turns the words of the product (package api) into messages of hamnest.v1
// and back, for both sides of the wire.
//
// XToProto makes a message of an X, and XFromProto an X of a message. What comes from a
// stranger may be anything: a FromProto that a server uses on requests, or a client on
// answers, reports what has no meaning as an error, or adds it to [Violations] by its path in
// the request, and leaves every rule that the engine knows to the engine. A ToProto that a
// client uses on arguments reports what has no form on the wire in the same way.
package convert
