package main

import (
	"bufio"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
)

var (
	//go:embed peer.py
	peerScript string
	//go:embed denoise.py
	denoiseScript string
)

// script is peer.py with denoise.py before its last line, which starts it.
var script = strings.Replace(peerScript, "\nmain()\n", "\n"+denoiseScript+"\nmain()\n", 1)

// A peer is the Python process that runs the other side.
type peer struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
	reply
}

// contest is one with ours, once the peer has been set up with what it replied.
func (p *peer) contest(ours side, set reply, done func()) contest {
	c := contest{ours: ours, done: done, note: set.Failed}
	for _, mode := range slices.Sorted(maps.Keys(set.Modes)) {
		if layout := set.Modes[mode]; layout != "" && layout != "contiguous" {
			c.note = strings.TrimPrefix(c.note+", "+mode+" "+layout, ", ")
		}
		c.rivals = append(c.rivals, rival{mode, func(times int) (float64, error) {
			r, err := p.ask(request{"do": "run", "mode": mode, "times": times})
			return r.Ms, err
		}})
	}
	return c
}

// eagerOnly leaves torch.compile out: it takes half a minute a row.
var eagerOnly bool

// A request is what the script is asked.
type request map[string]any

// A reply is what the script answers.
type reply struct {
	Python string            `json:"python"`
	Torch  string            `json:"torch"` // versions, "" when absent
	Scipy  string            `json:"scipy"`
	About  string            `json:"about"`  // of PyTorch's
	Others map[string]string `json:"others"` // versions of other packages
	Modes  map[string]string `json:"modes"`  // the memory layout of every way to run
	Failed string            `json:"failed"` // why there is no compiled way
	Value  float64           `json:"value"`
	Ms     float64           `json:"ms"`
	Error  string            `json:"error"`
}

// startPeer starts the interpreter that has PyTorch, trying the ones named.
func startPeer(interpreters []string) (*peer, error) {
	var best *peer
	var last error
	for _, name := range interpreters {
		p, err := startOne(name)
		switch {
		case err != nil:
			last = fmt.Errorf("%s: %w", name, err)
			continue
		case p.Torch != "" && p.Scipy != "":
			if best != nil {
				best.close()
			}
			return p, nil
		case best == nil:
			best = p
		default:
			p.close()
		}
	}
	if best != nil {
		return best, nil
	}
	return nil, fmt.Errorf("no Python: %w", last)
}

func startOne(name string) (*peer, error) {
	p := &peer{cmd: exec.Command(name, "-c", script)}
	p.cmd.Stderr = os.Stderr
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReader(out)
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	r, err := p.ask(request{"do": "hello"})
	if err != nil {
		p.close()
		return nil, err
	}
	p.reply = r
	return p, nil
}

// ask sends one request and waits for its answer.
func (p *peer) ask(req request) (reply, error) {
	var r reply
	req["cpu"], req["compile"] = cpuTime, !eagerOnly
	b, err := json.Marshal(req)
	if err != nil {
		return r, err
	}
	if _, err := p.in.Write(append(b, '\n')); err != nil {
		return r, fmt.Errorf("the Python side is gone: %w", err)
	}
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		return r, errors.New("the Python side stopped")
	}
	if err := json.Unmarshal(line, &r); err != nil {
		return r, err
	}
	if r.Error != "" {
		return r, errors.New(r.Error)
	}
	return r, nil
}

func (p *peer) close() {
	p.in.Close()
	p.cmd.Wait()
}
