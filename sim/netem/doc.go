// Package netem decides what happens to each packet on a link, in the words of tc-netem(8).
//
//   - [Config] is one direction of a link as data: delay, jitter, loss, rate, limit and so on.
//     [Parse] reads it from tc-netem's words and [Config.String] writes it back.
//   - [Direction] is a Config at work. It owns the random streams, the state of the loss models
//     and the [Queue]. [Direction.Decide] gives the [Verdict] of the impairments for one packet;
//     [Direction.Send] adds the queue and says when each copy arrives.
//   - [Model] is one impairment: packet, time and random stream in, verdict out. A scenario adds
//     its own, for example as a [ModelFunc], to drop "the first SYN".
//   - [Queue] is a rate and a limit: a tail-drop FIFO as arithmetic on departure times.
//   - [ParseDuration], [ParseRate], [ParseSize] and [ParsePercent], with their Format functions,
//     read and write every value that a person types anywhere in the product.
//
// Nothing here reads a clock, starts a goroutine or owns a packet: time and randomness are
// arguments, and the caller schedules the arrivals. A Direction belongs to one goroutine.
//
// # Order
//
// A packet meets the scenario's own models, then drop packet, loss, duplicate, corrupt, delay and
// reorder; what survives enters the queue, and from there the wire. The first one to drop a
// packet names the reason.
//
// # Luck
//
// Each kind of impairment draws from its own stream, derived from the direction's stream when the
// Direction is made, whether the kind is configured or not. A configured impairment decides on every
// packet, even on one that another has dropped, and a kind that is not configured draws nothing.
// So adding "drop packet 2" or "corrupt 1%" to a direction leaves the loss and the jitter of all
// its other packets as they were. Decisions are made in integers (32 bits, as in the kernel), and
// the distributions are rounded before use, so every platform gives the same result.
//
// # Differences from the kernel's netem
//
//   - The queue comes before the delay, as on a real link: a packet waits for its turn at the
//     rate, then travels for the delay. The limit counts the packets that wait or are being sent,
//     not those in flight. Kernel netem keeps delayed packets in the queue too, so there a
//     limit below the bandwidth-delay product loses packets. With a constant delay the
//     arrival times are the same.
//   - A reordered packet skips the delay but not the queue: nothing leaves faster than the rate.
//   - A lost packet is lost together with its duplicates, where the kernel lets one copy live. A
//     duplicate shares the delay of its packet, and is never corrupted.
//   - Correlated delays are correlated: the kernel reduces its correlated number modulo the jitter,
//     which scrambles it again.
//   - slot, ecn, seed and the cell sizes of rate are refused by [Parse], never ignored.
package netem
