package main

import (
	"bufio"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
)

//go:embed peer.py
var script string

// A peer is the Python process that runs the other side.
type peer struct {
	cmd          *exec.Cmd
	in           io.WriteCloser
	out          *bufio.Reader
	Torch, Scipy string // versions, "" when absent
}

// A reply is what the script answers.
type reply struct {
	Torch string  `json:"torch"`
	Scipy string  `json:"scipy"`
	Value float64 `json:"value"`
	Ms    float64 `json:"ms"`
	Error string  `json:"error"`
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
	r, err := p.ask(map[string]any{"do": "hello"})
	if err != nil {
		p.close()
		return nil, err
	}
	p.Torch, p.Scipy = r.Torch, r.Scipy
	return p, nil
}

// ask sends one request and waits for its answer.
func (p *peer) ask(req any) (reply, error) {
	var r reply
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
