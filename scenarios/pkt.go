package scenarios

import (
	"embed"
	"path"
	"strings"
)

//go:embed corpus/pkt/*.pkt corpus/pkt/*.profile
var pktCorpus embed.FS

// PktNames lists the built-in packetdrill scripts: "paws.pkt".
func PktNames() []string {
	entries, err := pktCorpus.ReadDir("corpus/pkt")
	if err != nil {
		panic(err) // the folder is embedded
	}
	var names []string
	for _, e := range entries {
		if path.Ext(e.Name()) == ".pkt" {
			names = append(names, e.Name())
		}
	}
	return names
}

// PktSource is a built-in packetdrill script's text, or that of a profile:
// "netstack.profile" and "linux.profile" list what is expected of each built-in
// script, "google-2c4001c4.profile" and its kin what of Google's.
func PktSource(name string) ([]byte, error) {
	return pktCorpus.ReadFile("corpus/pkt/" + strings.TrimPrefix(name, "/"))
}
