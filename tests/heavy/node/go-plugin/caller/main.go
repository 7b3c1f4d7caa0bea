// Calls Allocate as kubelet does, and prints the durations: nanoseconds, one a line, and then the
// duration of all calls together. Arguments: socket, number of calls, number of calls at once.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strconv"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	api "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
)

func main() {
	count, atOnce := number(os.Args[2]), number(os.Args[3])
	connection, err := grpc.Dial("unix:"+os.Args[1], grpc.WithBlock(),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatalln(err)
	}
	client := api.NewDevicePluginClient(connection)
	call := func() time.Duration {
		request := &api.AllocateRequest{ContainerRequests: []*api.ContainerAllocateRequest{
			{DevicesIDs: []string{"0"}}}}
		begin := time.Now()
		if _, err := client.Allocate(context.Background(), request); err != nil {
			log.Fatalln(err)
		}
		return time.Since(begin)
	}
	call() // a warm-up
	taken := make([]time.Duration, count)
	var callers sync.WaitGroup
	begin := time.Now()
	for first := 0; first < atOnce; first++ {
		callers.Add(1)
		go func(first int) {
			defer callers.Done()
			for each := first; each < count; each += atOnce {
				taken[each] = call()
			}
		}(first)
	}
	callers.Wait()
	whole := time.Since(begin)
	for _, each := range taken {
		fmt.Println(each.Nanoseconds())
	}
	fmt.Println(whole.Nanoseconds())
}

func number(text string) int {
	parsed, err := strconv.Atoi(text)
	if err != nil {
		log.Fatalln(err)
	}
	return parsed
}
