// Package checkpoint reads and writes the files that hold weights: named arrays
// of float32, the [Tensor]s, with notes.
//
//	err := checkpoint.WriteFile("w.safetensors", []checkpoint.Tensor{
//		{Name: "w", Shape: []int{2, 3}, Data: make([]float32, 6)},
//	}, map[string]string{"made by": "hand"})
//	tensors, notes, err := checkpoint.ReadFile("w.safetensors")
//
// Our own files are in the safetensors format, which other programs read too,
// with a checksum among the notes. The checkpoints of PyTorch are read, and no
// program in them is run; [RecogniseTorch] tells the networks of Fang, Buchanan &
// Sulam's reference code by the shapes of their tensors, and [FromTorch] turns
// them into our layout.
//
// Files may come from anywhere: what is wrong with one is reported as an error
// of one line, and memory is bounded by the size of the file, whatever it claims.
package checkpoint
