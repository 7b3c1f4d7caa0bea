// The Go plugin's own resource manager, servers and discovery, behind a main that leaves one thing
// out: its check of the RDMA subsystem's mode, which ends it on kernels without RDMA.
package main

import (
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/Mellanox/k8s-rdma-shared-dev-plugin/pkg/resources"
)

func main() {
	useCdi := len(os.Args) > 2 && os.Args[2] == "--use-cdi"
	manager := resources.NewResourceManager(os.Args[1], useCdi)
	for _, step := range []func() error{
		manager.ReadConfig,
		manager.ValidateConfigs,
		manager.DiscoverHostDevices,
		manager.InitServers,
		manager.StartAllServers,
	} {
		if err := step(); err != nil {
			log.Fatalln(err)
		}
	}
	stopPeriodicUpdate := manager.PeriodicUpdate()
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM)
	<-end
	stopPeriodicUpdate()
	if err := manager.StopAllServers(); err != nil {
		log.Fatalln(err)
	}
}
