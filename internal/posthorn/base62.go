package posthorn

import "math/bits"

// mul62add returns the 128-bit number (hi, lo) times 62 plus d; ok is false when it does not fit.
func mul62add(hi, lo, d uint64) (newHi, newLo uint64, ok bool) {
	over, top := bits.Mul64(hi, 62)
	carry, low := bits.Mul64(lo, 62)
	low, c := bits.Add64(low, d, 0)
	top, c2 := bits.Add64(top, carry, c)
	return top, low, over == 0 && c2 == 0
}

// divmod62 divides the 128-bit number (hi, lo) by 62.
func divmod62(hi, lo uint64) (quotientHi, quotientLo, remainder uint64) {
	quotientHi, rem := hi/62, hi%62
	quotientLo, remainder = bits.Div64(rem, lo, 62)
	return quotientHi, quotientLo, remainder
}
