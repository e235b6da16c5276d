package blind

import (
	"os"
	"strconv"
)

func env(name string, def float64) float64 {
	if v, err := strconv.ParseFloat(os.Getenv(name), 64); err == nil {
		return v
	}
	return def
}

func init() {
	tuned.rounds = int(env("ROUNDS", float64(tuned.rounds)))
	tuned.last = int(env("LAST", float64(tuned.last)))
	tuned.cg = int(env("CG", float64(tuned.cg)))
	tuned.ratio = env("RATIO", tuned.ratio)
	tuned.share = env("SHARE", tuned.share)
	tuned.lam = env("LAM", tuned.lam)
}
