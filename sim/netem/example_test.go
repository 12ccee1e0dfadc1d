package netem_test

import (
	"fmt"
	"math/rand/v2"
	"time"

	"fivetuple/sim/netem"
)

// A direction of 10 Mbit/s and 10 ms that loses its second packet. 1250 bytes take 1 ms to send.
func Example() {
	cfg, err := netem.Parse("delay 10ms drop packet 2 rate 10mbit limit 2")
	if err != nil {
		fmt.Println(err)
		return
	}
	d, err := netem.NewDirection(cfg, rand.New(rand.NewPCG(7, 0)))
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 4 { // all at time 0
		p := &netem.Packet{Len: 1250}
		v, copies := d.Send(0, p)
		if v.Drop != "" {
			fmt.Println("packet", p.Num, "lost:", v.Drop)
		}
		for _, c := range copies {
			if c.Drop != "" {
				fmt.Println("packet", p.Num, "lost:", c.Drop)
				continue
			}
			fmt.Println("packet", p.Num, "sent from", c.Start, "to", c.Depart, "and there at", c.Arrive)
		}
	}
	// Output:
	// packet 1 sent from 0s to 1ms and there at 11ms
	// packet 2 lost: drop packet 2
	// packet 3 sent from 1ms to 2ms and there at 12ms
	// packet 4 lost: queue full (limit 2)
}

// A scenario's own rule: a closure is a Model.
func ExampleModelFunc() {
	outage := netem.ModelFunc(func(now time.Duration, _ *netem.Packet, _ *rand.Rand) netem.Verdict {
		if now >= time.Second && now < 2*time.Second {
			return netem.Verdict{Drop: "outage"}
		}
		return netem.Verdict{}
	})
	d, _ := netem.NewDirection(netem.Config{}, rand.New(rand.NewPCG(7, 0)), outage)
	for _, now := range []time.Duration{0, 1500 * time.Millisecond, 2 * time.Second} {
		v, _ := d.Send(now, &netem.Packet{Len: 100})
		fmt.Printf("%v %q\n", now, v.Drop)
	}
	// Output:
	// 0s ""
	// 1.5s "outage"
	// 2s ""
}

func ExampleParse() {
	_, err := netem.Parse("delay 10ms loss 1")
	fmt.Println(err)
	// Output:
	// loss "1": a percentage needs its sign, as in "1%"
}
