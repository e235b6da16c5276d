package checkpoint

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"path"
	"slices"
	"strings"

	"github.com/nlpodyssey/gopickle/pickle"
	"github.com/nlpodyssey/gopickle/types"
)

// This file reads the checkpoints of the reference PyTorch code. A .pt file is
// a Python pickle, a program for a stack machine, with the tensors' bytes
// beside it: as records of a zip archive since PyTorch 1.6, behind the pickle
// before. gopickle runs the program; it can build tables, tuples, strings,
// numbers and tensors and nothing else, because every other class is refused
// by name and scanPickle has passed every instruction beforehand. The bytes of
// the tensors are read here: gopickle's own reader takes a short read for a
// full one.

const (
	maxPickle       = 4 << 20 // bytes of instructions
	maxPickleMarks  = 64      // nesting
	maxTorchTensors = 100_000
)

// ReadTorchFile reads the state_dict in the PyTorch checkpoint at path.
func ReadTorchFile(path string) (t map[string]Tensor, err error) {
	err = Open(path, func(r io.ReaderAt, size int64) (err error) {
		t, err = ReadTorch(r, size)
		return err
	})
	return t, err
}

// ReadTorch reads the tensors of a state_dict from the first size bytes of r,
// with PyTorch's names and shapes, as float32. The table of tensors is the
// saved object itself or its entry model_state_dict, state_dict or model; a
// leading "module." of all names is dropped. No code in the file is run, and
// memory is bounded by a small multiple of size.
func ReadTorch(r io.ReaderAt, size int64) (t map[string]Tensor, err error) {
	defer func() {
		// gopickle asserts types without checking.
		if p := recover(); p != nil {
			t, err = nil, fmt.Errorf("not a PyTorch checkpoint: malformed pickle (%v)", p)
		}
	}()
	var head [4]byte
	if _, err := r.ReadAt(head[:], 0); err != nil {
		return nil, errors.New("not a PyTorch checkpoint: the file is too short")
	}
	var obj any
	if string(head[:]) == "PK\x03\x04" {
		obj, err = readTorchZip(r, size)
	} else {
		obj, err = readTorchLegacy(r, size)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the PyTorch checkpoint: %w", err)
	}
	return stateDict(obj)
}

// A torchStorage is the flat array that tensors are views of; its values are
// known once the file has been read to the end.
type torchStorage struct {
	class string
	n     int
	data  []float32
}

// A torchTensor is a strided view of a storage.
type torchTensor struct {
	s      *torchStorage
	offset int
	size   []int
	stride []int
}

// torchItem is the bytes of one element of each storage class.
var torchItem = map[string]int{
	"FloatStorage": 4, "DoubleStorage": 8, "HalfStorage": 2, "BFloat16Storage": 2,
	"LongStorage": 8, "IntStorage": 4, "ShortStorage": 2, "CharStorage": 1, "ByteStorage": 1, "BoolStorage": 1,
}

func (s *torchStorage) fill(raw []byte) {
	le := binary.LittleEndian
	s.data = make([]float32, s.n)
	for i := range s.data {
		switch s.class {
		case "FloatStorage":
			s.data[i] = math.Float32frombits(le.Uint32(raw[4*i:]))
		case "DoubleStorage":
			s.data[i] = float32(math.Float64frombits(le.Uint64(raw[8*i:])))
		case "HalfStorage":
			s.data[i] = halfToFloat(le.Uint16(raw[2*i:]))
		case "BFloat16Storage":
			s.data[i] = math.Float32frombits(uint32(le.Uint16(raw[2*i:])) << 16)
		case "LongStorage":
			s.data[i] = float32(int64(le.Uint64(raw[8*i:])))
		case "IntStorage":
			s.data[i] = float32(int32(le.Uint32(raw[4*i:])))
		case "ShortStorage":
			s.data[i] = float32(int16(le.Uint16(raw[2*i:])))
		case "CharStorage":
			s.data[i] = float32(int8(raw[i]))
		default:
			s.data[i] = float32(raw[i])
		}
	}
}

// torchClass stands for a storage class in the pickle.
type torchClass string

// rebuildTensor is torch._utils._rebuild_tensor_v2.
type rebuildTensor struct{}

func (rebuildTensor) Call(args ...any) (any, error) {
	if len(args) < 4 {
		return nil, errors.New("a tensor with too few fields")
	}
	s, ok := args[0].(*torchStorage)
	t := &torchTensor{s: s}
	var ok1, ok2, ok3 bool
	t.offset, ok1 = args[1].(int)
	t.size, ok2 = intTuple(args[2])
	t.stride, ok3 = intTuple(args[3])
	if !ok || !ok1 || !ok2 || !ok3 || len(t.size) != len(t.stride) {
		return nil, errors.New("a tensor with fields of the wrong type")
	}
	return t, nil
}

// rebuildParameter is torch._utils._rebuild_parameter: the tensor in it.
type rebuildParameter struct{}

func (rebuildParameter) Call(args ...any) (any, error) {
	if len(args) < 1 {
		return nil, errors.New("a parameter without a tensor")
	}
	return args[0], nil
}

func intTuple(v any) ([]int, bool) {
	t, ok := v.(*types.Tuple)
	if !ok || t.Len() > maxDims {
		return nil, false
	}
	out := make([]int, t.Len())
	for i := range out {
		if out[i], ok = t.Get(i).(int); !ok {
			return nil, false
		}
	}
	return out, true
}

// unpickle runs one pickle, whose end scanPickle has found, with storages
// handed out by storage.
func unpickle(program []byte, storage func(class, key string, n int) (*torchStorage, error)) (any, error) {
	u := pickle.NewUnpickler(bytes.NewReader(program))
	u.FindClass = func(module, name string) (any, error) {
		switch full := module + "." + name; {
		case full == "torch._utils._rebuild_tensor_v2":
			return rebuildTensor{}, nil
		case full == "torch._utils._rebuild_parameter":
			return rebuildParameter{}, nil
		case module == "torch" && torchItem[name] > 0:
			return torchClass(name), nil
		default:
			return nil, fmt.Errorf("it holds a Python object of class %.100q, and only tables of tensors are read: save model.state_dict() alone", full)
		}
	}
	u.PersistentLoad = func(id any) (any, error) {
		t, ok := id.(*types.Tuple)
		if !ok || t.Len() < 5 || t.Get(0) != "storage" {
			return nil, errors.New("a reference to something that is not a storage")
		}
		class, ok1 := t.Get(1).(torchClass)
		key, ok2 := t.Get(2).(string)
		n, ok3 := t.Get(4).(int)
		if !ok1 || !ok2 || !ok3 || n < 0 {
			return nil, errors.New("a storage with fields of the wrong type")
		}
		if t.Len() > 5 && t.Get(5) != nil {
			return nil, errors.New("a storage that is a view of another (PyTorch before 0.4)")
		}
		return storage(string(class), key, n)
	}
	v, err := u.Load()
	if err != nil {
		return nil, oneLine(err)
	}
	return v, nil
}

// oneLine shortens a message that may quote what the file holds.
func oneLine(err error) error {
	s := strings.Join(strings.Fields(err.Error()), " ")
	if len(s) > 250 {
		s = s[:250] + "..."
	}
	return errors.New(strings.ToValidUTF8(s, "?"))
}

func readTorchZip(r io.ReaderAt, size int64) (any, error) {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return nil, err
	}
	// Records are NAME/data.pkl and NAME/data/KEY.
	records := map[string]*zip.File{}
	root := ""
	for _, f := range z.File {
		records[f.Name] = f
		if path.Base(f.Name) == "data.pkl" {
			root = path.Dir(f.Name)
		}
	}
	if root == "" {
		return nil, errors.New("a zip archive without data.pkl")
	}
	if records[path.Join(root, "constants.pkl")] != nil {
		return nil, errors.New("a TorchScript program: save model.state_dict() instead")
	}
	if f := records[path.Join(root, "byteorder")]; f != nil {
		if b, err := readRecord(f, 16); err != nil || string(b) != "little" {
			return nil, errors.New("byte order is not little-endian")
		}
	}
	program, err := readRecord(records[path.Join(root, "data.pkl")], maxPickle)
	if err != nil {
		return nil, err
	}
	if _, err := scanPickle(program); err != nil {
		return nil, err
	}
	storages := map[string]*torchStorage{}
	// PyTorch stores without compression, so the records are no larger
	// than the file; more is an archive made to unpack without end.
	left := size
	return unpickle(program, func(class, key string, n int) (*torchStorage, error) {
		if s := storages[key]; s != nil {
			if s.class != class || s.n != n {
				return nil, fmt.Errorf("storage %.40q has two types", key)
			}
			return s, nil
		}
		f := records[root+"/data/"+key]
		if f == nil {
			return nil, fmt.Errorf("no record for storage %.40q", key)
		}
		item := int64(torchItem[class])
		if int64(n) > left/item {
			return nil, fmt.Errorf("storage %.40q of %d values is larger than the file", key, n)
		}
		left -= int64(n) * item
		raw, err := readRecord(f, int64(n)*item)
		if err != nil {
			return nil, err
		}
		if int64(len(raw)) < int64(n)*item {
			return nil, fmt.Errorf("storage %.40q is cut short", key)
		}
		s := &torchStorage{class: class, n: n}
		s.fill(raw)
		storages[key] = s
		return s, nil
	})
}

// readRecord reads a record of at most limit bytes, and checks its CRC.
func readRecord(f *zip.File, limit int64) ([]byte, error) {
	if f.UncompressedSize64 > uint64(limit) {
		return nil, fmt.Errorf("record %.60q of %d bytes, want at most %d", f.Name, f.UncompressedSize64, limit)
	}
	rc, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("record %.60q: %w", f.Name, err)
	}
	defer rc.Close()
	b, err := io.ReadAll(io.LimitReader(rc, limit+1))
	if err != nil {
		return nil, fmt.Errorf("record %.60q: %w", f.Name, err)
	}
	return b, nil
}

// readTorchLegacy reads five pickles (magic number, protocol version, system
// information, the object, the list of storage keys) and then, for each key, a
// count and that many values.
func readTorchLegacy(r io.ReaderAt, size int64) (any, error) {
	const magic = "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19" // LONG1 0x1950a86a20f9469cfc6c
	var start [32]byte
	n, _ := r.ReadAt(start[:], 0)
	if !bytes.Contains(start[:n], []byte(magic)) {
		return nil, errors.New("neither a zip archive nor PyTorch's older format")
	}
	all := make([]byte, size)
	if _, err := r.ReadAt(all, 0); err != nil && err != io.EOF {
		return nil, err
	}
	rest := all
	next := func(storage func(class, key string, n int) (*torchStorage, error)) (any, error) {
		end, err := scanPickle(rest[:min(len(rest), maxPickle)])
		if err != nil {
			return nil, err
		}
		program := rest[:end]
		rest = rest[end:]
		return unpickle(program, storage)
	}
	none := func(_, _ string, _ int) (*torchStorage, error) { return nil, errors.New("a storage out of place") }
	for range 3 {
		if _, err := next(none); err != nil {
			return nil, err
		}
	}
	storages := map[string]*torchStorage{}
	obj, err := next(func(class, key string, n int) (*torchStorage, error) {
		s := storages[key]
		if s == nil {
			s = &torchStorage{class: class, n: n}
			storages[key] = s
		}
		if s.class != class || s.n != n {
			return nil, fmt.Errorf("storage %.40q has two types", key)
		}
		return s, nil
	})
	if err != nil {
		return nil, err
	}
	v, err := next(none)
	if err != nil {
		return nil, err
	}
	keys, ok := v.(*types.List)
	if !ok {
		return nil, errors.New("no list of storages")
	}
	for _, k := range *keys {
		key, _ := k.(string)
		s := storages[key]
		if s == nil || s.data != nil {
			return nil, fmt.Errorf("storage %.40q is unknown or stands twice", key)
		}
		item := torchItem[s.class]
		if len(rest) < 8 || binary.LittleEndian.Uint64(rest) != uint64(s.n) || s.n > (len(rest)-8)/item {
			return nil, fmt.Errorf("storage %.40q is cut short", key)
		}
		s.fill(rest[8:])
		rest = rest[8+s.n*item:]
	}
	return obj, nil
}

// scanPickle walks the instructions of the pickle at the start of b without
// running them and returns where it ends. It passes only instructions that
// torch.save writes for tables of tensors, with operands inside b and bounded
// nesting, so that running it afterwards allocates no more than a multiple of
// len(b).
func scanPickle(b []byte) (end int, err error) {
	depth := 0
	for i := 0; i < len(b); {
		op := b[i]
		i++
		arg := 0  // bytes of operand
		size := 0 // bytes of a length in front of more operand
		switch op {
		case '.':
			return i, nil
		case '(':
			if depth++; depth > maxPickleMarks {
				return 0, errors.New("a pickle nested too deeply")
			}
		case 't', 'u', 'e', 'l', 'd': // take everything since the mark
			depth--
		case '}', ')', ']', 'N', 'Q', 'R', 's', 'a', 'b', 0x85, 0x86, 0x87, 0x88, 0x89, 0x93, 0x94:
		case 0x80, 'K', 'h', 'q':
			arg = 1
		case 'M':
			arg = 2
		case 'J', 'j', 'r':
			arg = 4
		case 'G':
			arg = 8
		case 0x95: // FRAME: instructions follow, as they would without it
			arg = 8
			if len(b)-i < 8 || binary.LittleEndian.Uint64(b[i:]) > uint64(len(b)-i-8) {
				return 0, errors.New("a pickle that is cut short")
			}
		case 'U', 0x8c, 'C', 0x8a:
			size = 1
		case 'X', 'T', 'B':
			size = 4
		case 'c': // module and name, a line each
			for range 2 {
				k := bytes.IndexByte(b[i:], '\n')
				if k < 0 {
					return 0, errors.New("a pickle that is cut short")
				}
				i += k + 1
			}
		default:
			return 0, fmt.Errorf("pickle instruction %#02x, which no table of tensors needs: save model.state_dict() alone", op)
		}
		if depth < 0 {
			return 0, errors.New("a malformed pickle")
		}
		if size > len(b)-i {
			return 0, errors.New("a pickle that is cut short")
		}
		for k := range size {
			arg |= int(b[i+k]) << (8 * k)
		}
		if i += size; arg > len(b)-i {
			return 0, errors.New("a pickle that is cut short")
		}
		i += arg
	}
	return 0, errors.New("a pickle without an end, or a longer one than is read")
}

// stateDict finds the table of tensors and copies the views out of it.
func stateDict(obj any) (map[string]Tensor, error) {
	found := tensorsOf(obj)
	if len(found) == 0 {
		for _, key := range []string{"model_state_dict", "state_dict", "model"} {
			if v, ok := lookup(obj, key); ok {
				if found = tensorsOf(v); len(found) > 0 {
					break
				}
			}
		}
	}
	if len(found) == 0 {
		return nil, errors.New("no tensors: neither the saved object nor its model_state_dict, state_dict or model is a table of tensors")
	}
	if len(found) > maxTorchTensors {
		return nil, fmt.Errorf("%d tensors, at most %d", len(found), maxTorchTensors)
	}
	strip := true
	for name := range found {
		strip = strip && strings.HasPrefix(name, "module.") // torch.nn.DataParallel
	}
	// Views may share a storage, but a file in which they share it often is
	// made to fill the memory.
	total, budget := 0, 1<<20
	seen := map[*torchStorage]bool{}
	for _, t := range found {
		if !seen[t.s] {
			seen[t.s] = true
			budget += 4 * len(t.s.data)
		}
	}
	out := make(map[string]Tensor, len(found))
	for _, name := range slices.Sorted(maps.Keys(found)) {
		short := name
		if strip {
			short = strings.TrimPrefix(name, "module.")
		}
		t, err := found[name].copyOut()
		if err != nil {
			return nil, fmt.Errorf("tensor %.100q: %w", name, err)
		}
		if total += len(t.Data); total > budget {
			return nil, errors.New("the tensors together are much larger than what the file stores")
		}
		t.Name = short
		out[short] = t
	}
	return out, nil
}

// each visits the entries of a dict or an OrderedDict with string keys.
func each(obj any, visit func(key string, v any)) {
	switch d := obj.(type) {
	case *types.Dict:
		for _, e := range *d {
			if k, ok := e.Key.(string); ok {
				visit(k, e.Value)
			}
		}
	case *types.OrderedDict:
		for k, e := range d.Map {
			if k, ok := k.(string); ok {
				visit(k, e.Value)
			}
		}
	}
}

func lookup(obj any, key string) (found any, ok bool) {
	each(obj, func(k string, v any) {
		if k == key {
			found, ok = v, true
		}
	})
	return found, ok
}

func tensorsOf(obj any) map[string]*torchTensor {
	out := map[string]*torchTensor{}
	each(obj, func(k string, v any) {
		if t, ok := v.(*torchTensor); ok {
			out[k] = t
		}
	})
	return out
}

// copyOut returns the view's values, row-major.
func (t *torchTensor) copyOut() (Tensor, error) {
	stored := len(t.s.data)
	misfit := fmt.Errorf("shape %v, strides %v and offset %d do not fit a storage of %d values", t.size, t.stride, t.offset, stored)
	if slices.Contains(t.size, 0) && slices.Min(t.size) == 0 {
		return Tensor{Shape: slices.Clone(t.size)}, nil
	}
	if t.offset < 0 || t.offset >= stored {
		return Tensor{}, misfit
	}
	n, last := 1, t.offset
	for i, d := range t.size {
		if d < 0 || n > stored/d || t.stride[i] < 0 || t.stride[i] > 1<<31 {
			return Tensor{}, misfit
		}
		n *= d
		if last += (d - 1) * t.stride[i]; last >= stored {
			return Tensor{}, misfit
		}
	}
	out := Tensor{Shape: slices.Clone(t.size), Data: make([]float32, 0, n)}
	var walk func(dim, at int)
	walk = func(dim, at int) {
		if dim == len(t.size) {
			out.Data = append(out.Data, t.s.data[at])
			return
		}
		for i := range t.size[dim] {
			walk(dim+1, at+i*t.stride[dim])
		}
	}
	walk(0, t.offset)
	return out, nil
}

// The networks of the reference code.
const (
	TorchDense = "dense" // fully connected, for vectors (the 1-D example)
	TorchMNIST = "mnist" // 28x28: 3x3 convolutions of strides 1,2,1,2 and a dense layer on 7x7
	Torch128   = "128"   // 128x128: 3x3 convolutions of strides 1,2,1,2,1,2 and a 16x16 valid one
)

// RecogniseTorch tells from names and shapes which network of the reference
// code a state_dict holds, with its number of hidden channels and of input
// channels (for dense: the length of the vector). Every tensor must be there,
// and no other.
func RecogniseTorch(t map[string]Tensor) (kind string, hidden, inChannels int, err error) {
	first, ok := t["lin.0.weight"]
	switch {
	case !ok:
		return "", 0, 0, errors.New("no tensor lin.0.weight: not a learned proximal network of the reference code")
	case len(first.Shape) == 2:
		kind = TorchDense
	case len(first.Shape) == 4 && len(t["lin.6.weight"].Shape) == 4:
		kind = Torch128
	case len(first.Shape) == 4:
		kind = TorchMNIST
	default:
		return "", 0, 0, fmt.Errorf("lin.0.weight has shape %v, want a matrix or a convolution", first.Shape)
	}
	hidden, inChannels = first.Shape[0], first.Shape[1]
	if hidden < 1 || inChannels < 1 {
		return "", 0, 0, fmt.Errorf("lin.0.weight has shape %v", first.Shape)
	}
	want := torchShapes(kind, hidden, inChannels, len(t))
	for _, name := range slices.Sorted(maps.Keys(want)) {
		got, ok := t[name]
		if !ok {
			return "", 0, 0, fmt.Errorf("no tensor %s: not the %s network of the reference code", name, kind)
		}
		if !slices.Equal(got.Shape, want[name]) {
			return "", 0, 0, fmt.Errorf("%s has shape %v, want %v for the %s network with %d hidden channels", name, got.Shape, want[name], kind, hidden)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t)) {
		if want[name] == nil {
			return "", 0, 0, fmt.Errorf("tensor %.100q is not part of the %s network", name, kind)
		}
	}
	return kind, hidden, inChannels, nil
}

// torchShapes lists the state_dict of a network; count, its length, gives the
// depth of a dense one: lin.0, then three tensors a layer.
func torchShapes(kind string, hidden, in, count int) map[string][]int {
	s := map[string][]int{}
	lin := func(k int, shape ...int) { s[fmt.Sprintf("lin.%d.weight", k)] = shape }
	res := func(k int, shape ...int) {
		s[fmt.Sprintf("res.%d.weight", k)] = shape
		s[fmt.Sprintf("res.%d.bias", k)] = shape[:1]
	}
	switch kind {
	case TorchDense:
		last := max((count-1)/3, 1)
		lin(0, hidden, in)
		for k := 1; k < last; k++ {
			lin(k, hidden, hidden)
			res(k-1, hidden, in)
		}
		lin(last, 1, hidden)
		res(last-1, 1, in)
	case TorchMNIST:
		lin(0, hidden, in, 3, 3)
		for k := 1; k <= 3; k++ {
			lin(k, hidden, hidden, 3, 3)
			res(k-1, hidden, in, 3, 3)
		}
		lin(4, 64, hidden*7*7)
		res(3, 64, in*7*7)
		lin(5, 1, 64)
	case Torch128:
		lin(0, hidden, in, 3, 3)
		s["lin.0.bias"] = []int{hidden}
		for k := 1; k <= 5; k++ {
			lin(k, hidden, hidden, 3, 3)
			res(k-1, hidden, in, 3, 3)
		}
		lin(6, 64, hidden, 16, 16)
		res(5, 64, in, 16, 16)
		lin(7, 1, 64)
		s["lin.7.bias"] = []int{1}
	}
	return s
}

// FromTorch rearranges a recognised state_dict into the layout of our
// parameters, under the same names: filters (Co,Ci,K,K) become (K,K,Ci,Co). A
// dense layer is a convolution that covers its input: 1x1, except that the
// mnist network's lin.4 and res.3 act on 7x7 maps that PyTorch flattens
// channel by channel.
func FromTorch(t map[string]Tensor, kind string) map[string]Tensor {
	out := make(map[string]Tensor, len(t))
	for name, x := range t {
		switch {
		case len(x.Shape) == 4:
			x = HWIO(x)
		case len(x.Shape) == 2 && kind == TorchMNIST && (name == "lin.4.weight" || name == "res.3.weight"):
			x.Shape = []int{x.Shape[0], x.Shape[1] / 49, 7, 7}
			x = HWIO(x)
		case len(x.Shape) == 2:
			x.Shape = []int{x.Shape[0], x.Shape[1], 1, 1}
			x = HWIO(x)
		}
		out[name] = x
	}
	return out
}

// HWIO returns a filter of PyTorch, of shape (Co,Ci,H,W), as one of ours, (H,W,Ci,Co).
func HWIO(t Tensor) Tensor {
	o, in, h, w := t.Shape[0], t.Shape[1], t.Shape[2], t.Shape[3]
	out := Tensor{Name: t.Name, Shape: []int{h, w, in, o}, Data: make([]float32, len(t.Data))}
	for a := range o {
		for b := range in {
			for p := range h * w {
				out.Data[(p*in+b)*o+a] = t.Data[(a*in+b)*h*w+p]
			}
		}
	}
	return out
}
