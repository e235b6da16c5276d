package lpn

// Reach returns how far f sees: f at a pixel depends on the picture within
// halo pixels of it, in rows and in columns. A window of the picture whose
// corner lies on multiples of pitch is evaluated as the picture is, but for
// its outer halo pixels. ok is false for networks of one size, which no window
// fits.
func (c Config) Reach() (halo, pitch int, ok bool) { return c.halo() }
