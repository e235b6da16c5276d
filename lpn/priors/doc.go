// Package priors holds the built-in priors, which are trained.
//
// A [Prior] is a name, the purpose of the training, and a network that is decoded at
// its first use, once in a program:
//
//	p := priors.Gray25()
//	net, err := p.Network()
//
// [For] chooses among the priors of natural images by channels and noise level, [Open]
// finds one by name, [All] lists them. A program links only the files of the priors
// that it uses: one that names Gray25 alone contains that file, one that calls For,
// Open or All contains every file.
//
// Your own prior comes from a file ([File]) or from a network ([Of]), and serves like a
// built-in one.
package priors
