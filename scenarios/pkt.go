package scenarios

import (
	"embed"
	"path"
	"strings"
)

//go:embed corpus/pkt/*.pkt corpus/pkt/netstack.profile corpus/pkt/linux.profile
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

// PktSource is a built-in packetdrill script's text, or that of its profile,
// "netstack.profile" or "linux.profile", which lists what is expected of each.
func PktSource(name string) ([]byte, error) {
	return pktCorpus.ReadFile("corpus/pkt/" + strings.TrimPrefix(name, "/"))
}
