// A container runtime as far as CDI goes: it reads the spec files of a host, and injects devices into
// empty OCI specs with CDI's own library. The request comes on stdin, the answer goes to stdout.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	oci "github.com/opencontainers/runtime-spec/specs-go"
)

type request struct {
	Root       string      `json:"root"`      // the host's root directory
	Directory  string      `json:"directory"` // of the spec files, as seen from there
	Containers []container `json:"containers"`
}

// What kubelet passes on to the runtime.
type container struct {
	Names       []string          `json:"names"`
	Annotations map[string]string `json:"annotations"`
}

type answer struct {
	Errors  map[string][]string `json:"errors"`  // of the library, by file
	Schema  map[string]string   `json:"schema"`  // what the JSON schema refuses, by file
	Devices []string            `json:"devices"` // every name that can be asked for
	Made    []made              `json:"made"`
}

type made struct {
	Refused string            `json:"refused"`
	Nodes   []oci.LinuxDevice `json:"nodes"`
	Rules   []rule            `json:"rules"`
}

type rule struct {
	Allow  bool   `json:"allow"`
	Type   string `json:"type"`
	Major  int64  `json:"major"`
	Minor  int64  `json:"minor"`
	Access string `json:"access"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	var asked request
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		return fmt.Errorf("the request: %w", err)
	}
	if err := syscall.Chroot(asked.Root); err != nil {
		return fmt.Errorf("chroot to %s: %w", asked.Root, err)
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	schema, err := refusedBySchema(asked.Directory)
	if err != nil {
		return err
	}
	specs, err := open(asked.Directory)
	if err != nil {
		return err
	}
	found := answer{Errors: map[string][]string{}, Schema: schema, Devices: specs.ListDevices()}
	for path, errors := range specs.GetErrors() {
		for _, each := range errors {
			found.Errors[filepath.Base(path)] = append(found.Errors[filepath.Base(path)], each.Error())
		}
	}
	for _, each := range asked.Containers {
		found.Made = append(found.Made, inject(specs, each))
	}
	return json.NewEncoder(os.Stdout).Encode(found)
}

func inject(specs *cache, wanted container) made {
	_, annotated, err := parseAnnotations(wanted.Annotations)
	if err != nil {
		return made{Refused: err.Error()}
	}
	spec := &oci.Spec{}
	if _, err := specs.InjectDevices(spec, append(wanted.Names, annotated...)...); err != nil {
		return made{Refused: err.Error()}
	}
	return made{Nodes: spec.Linux.Devices, Rules: rules(spec.Linux.Resources.Devices)}
}

func rules(found []oci.LinuxDeviceCgroup) []rule {
	var all []rule
	for _, each := range found {
		all = append(all, rule{each.Allow, each.Type, *each.Major, *each.Minor, each.Access})
	}
	return all
}

func refusedBySchema(directory string) (map[string]string, error) {
	refused := map[string]string{}
	paths, err := filepath.Glob(filepath.Join(directory, "*.json"))
	for _, path := range paths {
		if err := validate(path); err != nil {
			refused[filepath.Base(path)] = err.Error()
		}
	}
	return refused, err
}
