// Package priors holds the trained priors that ship with lpn.
//
// A [Prior] is a name, what it was trained for, and a network that is decoded
// when it is first asked for, once in a program:
//
//	p := priors.Gray25()
//	net, err := p.Network()
//
// [For] chooses among the priors of natural images by channels and noise level,
// [Open] finds one by name, [All] lists them. A program links the files of the
// priors that it can reach: one that names Gray25 alone carries that file, one
// that calls For, Open or All carries every file.
//
// A prior of one's own comes from a file ([File]) or from a network ([Of]) and
// goes wherever a shipped one does.
package priors
