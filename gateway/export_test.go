package gateway

// Timed is how many flows the gateway keeps because they may expire.
func (g *Gateway) Timed() int { return len(g.timed) }
