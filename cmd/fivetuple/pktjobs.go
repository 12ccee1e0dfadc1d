package main

import (
	"context"
	"sync"
)

// runJobs runs the scripts, several at a time; the results are in their order. say,
// unless it is nil, is told of each as soon as it and all before it are there, one at
// a time.
func (o *pktOptions) runJobs(ctx context.Context, scripts []pktScript, defines map[string]string, jobs int, say func(int, *pktResult)) []*pktResult {
	results := make([]*pktResult, len(scripts))
	next := make(chan int)
	var mu sync.Mutex // guards results and said
	said := 0
	have := func(i int, r *pktResult) {
		mu.Lock()
		defer mu.Unlock()
		results[i] = r
		for ; say != nil && ctx.Err() == nil && said < len(results) && results[said] != nil; said++ {
			say(said, results[said])
		}
	}
	var wg sync.WaitGroup
	for range jobs {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range next {
				have(i, o.one(ctx, scripts[i], defines))
			}
		}()
	}
	for i := range scripts {
		if ctx.Err() != nil {
			break
		}
		next <- i
	}
	close(next)
	wg.Wait()
	return results
}
