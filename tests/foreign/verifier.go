// Checks notes, inclusion and consistency with Go's own libraries (golang.org/x/mod/sumdb/note and .../tlog), which
// share no code with this project.
//
// Built in GOPATH mode against Debian's golang-golang-x-mod-dev; needs no network. It reads one JSON object a line from
// standard input and answers each with "ok" or "refused: why":
//
//	{"do": "note", "vkey": V, "note": N}                                    the log's signature over the note
//	{"do": "text", "vkey": V, "note": N}                                    the same; answers the text in base64
//	{"do": "inclusion", "size": n, "root": R, "index": i, "hash": H, "proof": [..]}
//	{"do": "consistency", "size": n, "root": R, "old": m, "old_root": Q, "proof": [..]}
//	{"do": "tiles", "folder": F, "size": n, "root": R, "index": i}          a record out of exported hash tiles
//
// Hashes are base64.
package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type request struct {
	Do, Vkey, Note, Folder string
	Root, Hash             string
	OldRoot                string `json:"old_root"`
	Size, Old, Index       int64
	Proof                  []string
}

// tiles reads tlog-tiles (C2SP) out of a folder: Go's own names are the same but for the height, which is always 8 here.
type tiles struct{ folder string }

func (t tiles) Height() int { return 8 }

func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	found := make([][]byte, len(wanted))
	for at, tile := range wanted {
		data, err := os.ReadFile(filepath.Join(t.folder, path(tile)))
		if err != nil {
			return nil, err
		}
		found[at] = data
	}
	return found, nil
}

func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}

// path turns tile/8/L/N into tile/L/N.
func path(tile tlog.Tile) string {
	return "tile" + tile.Path()[len("tile/8"):]
}

func hash(text string) (found tlog.Hash, err error) {
	data, err := base64.StdEncoding.DecodeString(text)
	if err == nil && len(data) != tlog.HashSize {
		err = errors.New("not 32 bytes")
	}
	copy(found[:], data)
	return found, err
}

func hashes(texts []string) ([]tlog.Hash, error) {
	found := make([]tlog.Hash, len(texts))
	for at, text := range texts {
		each, err := hash(text)
		if err != nil {
			return nil, err
		}
		found[at] = each
	}
	return found, nil
}

func open(r request) (*note.Note, error) {
	verifier, err := note.NewVerifier(r.Vkey)
	if err != nil {
		return nil, err
	}
	return note.Open([]byte(r.Note), note.VerifierList(verifier))
}

func answer(r request) (string, error) {
	if r.Do == "note" || r.Do == "text" {
		opened, err := open(r)
		if err != nil {
			return "", err
		}
		if r.Do == "text" {
			return base64.StdEncoding.EncodeToString([]byte(opened.Text)), nil
		}
		return "ok", nil
	}
	root, err := hash(r.Root)
	if err != nil {
		return "", err
	}
	proof, err := hashes(r.Proof)
	if err != nil {
		return "", err
	}
	switch r.Do {
	case "inclusion":
		leaf, err := hash(r.Hash)
		if err != nil {
			return "", err
		}
		return "ok", tlog.CheckRecord(proof, r.Size, root, r.Index, leaf)
	case "consistency":
		old, err := hash(r.OldRoot)
		if err != nil {
			return "", err
		}
		return "ok", tlog.CheckTree(proof, r.Size, root, r.Old, old)
	case "tiles":
		reader := tlog.TileHashReader(tlog.Tree{N: r.Size, Hash: root}, tiles{r.Folder})
		found, err := reader.ReadHashes([]int64{tlog.StoredHashIndex(0, r.Index)})
		if err != nil {
			return "", err
		}
		// The reader of Debian 12's x/mod 0.7.0 does not check a full tile against its parent where several subtrees of
		// the root share a tile. So the hash is proven to the root once more.
		made, err := tlog.ProveRecord(r.Size, r.Index, reader)
		if err != nil {
			return "", err
		}
		if err := tlog.CheckRecord(made, r.Size, root, r.Index, found[0]); err != nil {
			return "", err
		}
		return base64.StdEncoding.EncodeToString(found[0][:]), nil
	}
	return "", errors.New("no such question")
}

func main() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<24)
	for in.Scan() {
		var r request
		said := ""
		err := json.Unmarshal(in.Bytes(), &r)
		if err == nil {
			said, err = answer(r)
		}
		if err != nil {
			said = "refused: " + err.Error()
		}
		fmt.Println(said)
	}
	if in.Err() != nil {
		fmt.Fprintln(os.Stderr, in.Err())
		os.Exit(1)
	}
}
