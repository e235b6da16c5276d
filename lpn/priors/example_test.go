package priors_test

import (
	"fmt"

	"github.com/lpn-imaging/lpn/lpn/priors"
)

func ExampleFor() {
	p := priors.For(3, 12./255)
	net, err := p.Network()
	if err != nil {
		panic(err)
	}
	fmt.Printf("%s, trained at %.0f/255, any size: %v\n", p.Name, 255*p.Sigma, net.Config().Height == 0)
	// Output: colour-15, trained at 15/255, any size: true
}
