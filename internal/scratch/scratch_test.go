package scratch

import "testing"

func TestBorrow(t *testing.T) {
	a, b := Borrow(10), Borrow(10)
	a[0], b[0] = 1, 2
	if len(a) != 10 || len(b) != 10 || a[0] != 1 {
		t.Error("two loans are one vector, or not of length 10")
	}
	GiveBack(a, b)
	if c := Borrow(1000); len(c) != 1000 {
		t.Errorf("%d samples", len(c))
	}
}

// Loans of one size cost no allocation once they have been made.
func TestBorrowAllocatesNothing(t *testing.T) {
	GiveBack(Borrow(1000))
	n := testing.AllocsPerRun(1000, func() { GiveBack(Borrow(1000)) })
	if n > 0.1 { // a collection of garbage empties the list
		t.Errorf("%v allocations a loan", n)
	}
}
