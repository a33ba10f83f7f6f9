// The one component of the daprd that `scripts/setup dapr` builds. It replaces the file that demands all of them.
package components

import (
	"github.com/dapr/components-contrib/nameresolution/mdns"
	"github.com/dapr/dapr/pkg/components/nameresolution"
)

func init() {
	nameresolution.DefaultRegistry.RegisterComponent(mdns.NewResolver, "mdns")
}
