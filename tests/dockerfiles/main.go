// What BuildKit, which `docker build` is, makes of a Dockerfile, by BuildKit's own code: for each platform a line of JSON with
// what it warns of, which images it takes, what it runs on which CPU, and what comes out. Nothing is built or fetched.
//
//	dockerfiles BUILD-PLATFORM DOCKERFILE TARGET PLATFORM...
//
// An empty TARGET is the last stage.
package main

import (
	"context"
	"encoding/json"
	"log"
	"os"
	"strings"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// A plan is how an image for one platform would be built.
type plan struct {
	Platform string   `json:"platform"`
	Warnings []string `json:"warnings"`
	// Images that are taken, and commands that are run, each with the CPU that it is for.
	Images   []step            `json:"images"`
	Commands []step            `json:"commands"`
	User     string            `json:"user"`
	Labels   map[string]string `json:"labels"`
}

type step struct {
	CPU  string `json:"cpu"`
	What string `json:"what"`
}

func main() {
	log.SetFlags(0)
	here := platform(os.Args[1])
	text, err := os.ReadFile(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	lines := json.NewEncoder(os.Stdout)
	for _, name := range os.Args[4:] {
		plan, err := planned(text, os.Args[3], here, platform(name))
		if err != nil {
			log.Fatalf("%s: %v", os.Args[2], err)
		}
		if err := lines.Encode(plan); err != nil {
			log.Fatal(err)
		}
	}
}

func platform(name string) ocispecs.Platform {
	platform, err := platforms.Parse(name)
	if err != nil {
		log.Fatal(err)
	}
	return platform
}

func planned(text []byte, target string, here, there ocispecs.Platform) (plan, error) {
	result := plan{Platform: platforms.Format(there), Warnings: []string{}, Images: []step{}, Commands: []step{}}
	options := dockerfile2llb.ConvertOpt{
		Config: dockerui.Config{
			BuildPlatforms:         []ocispecs.Platform{here},
			Target:                 target,
			MultiPlatformRequested: true,
		},
		TargetPlatform: &there,
		MetaResolver:   anyImage{},
		Warn: func(rule, _, _, message string, _ []parser.Range) {
			result.Warnings = append(result.Warnings, rule+": "+message)
		},
	}
	converted, err := dockerfile2llb.Dockerfile2LLB(context.Background(), text, options)
	if err != nil {
		return result, err
	}
	result.User, result.Labels = converted.Image.Config.User, converted.Image.Config.Labels
	definition, err := converted.State.Marshal(context.Background())
	if err != nil {
		return result, err
	}
	for _, bytes := range definition.Def {
		var op pb.Op
		if err := op.UnmarshalVT(bytes); err != nil {
			return result, err
		}
		cpu := op.GetPlatform().GetArchitecture()
		image, isImage := strings.CutPrefix(op.GetSource().GetIdentifier(), "docker-image://")
		if isImage {
			result.Images = append(result.Images, step{cpu, image})
		}
		if command := op.GetExec().GetMeta().GetArgs(); command != nil {
			result.Commands = append(result.Commands, step{cpu, strings.Join(command, " ")})
		}
	}
	return result, nil
}

// Every image is there, for every platform, and has one layer: which it would be, a registry knows.
type anyImage struct{}

func (anyImage) ResolveImageConfig(_ context.Context, name string, options sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	var image ocispecs.Image
	image.Platform = *options.ImageOpt.Platform
	image.RootFS = ocispecs.RootFS{Type: "layers", DiffIDs: []digest.Digest{digest.FromString("a layer")}}
	config, err := json.Marshal(image)
	return name, "", config, err
}
