// The control plane of the tests for Istio: an ADS server that answers each type of resource once, with no resources.
//
// A pilot-agent that asks it has an Envoy with a configuration, which is ready. The one argument is the address to listen on.
package main

import (
	"log"
	"net"
	"os"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
)

type empty struct {
	discovery.UnimplementedAggregatedDiscoveryServiceServer
}

// DeltaAggregatedResources is the form in which pilot-agent asks.
func (empty) DeltaAggregatedResources(stream discovery.AggregatedDiscoveryService_DeltaAggregatedResourcesServer) error {
	answered := map[string]bool{}
	for {
		request, err := stream.Recv()
		if err != nil {
			return err
		}
		log.Printf("%s, error: %v", request.TypeUrl, request.ErrorDetail)
		// An answer is followed by a request that acknowledges it.
		if answered[request.TypeUrl] {
			continue
		}
		answered[request.TypeUrl] = true
		answer := &discovery.DeltaDiscoveryResponse{TypeUrl: request.TypeUrl, SystemVersionInfo: "1", Nonce: "1"}
		if err := stream.Send(answer); err != nil {
			return err
		}
	}
}

func main() {
	listener, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer()
	discovery.RegisterAggregatedDiscoveryServiceServer(server, empty{})
	log.Fatal(server.Serve(listener))
}
