//go:build oldest

package main

import (
	"github.com/container-orchestrated-devices/container-device-interface/pkg/cdi"
	"github.com/container-orchestrated-devices/container-device-interface/schema"
)

type cache = cdi.Cache

var parseAnnotations = cdi.ParseAnnotations

func open(directory string) (*cache, error) {
	return cdi.NewCache(cdi.WithSpecDirs(directory), cdi.WithAutoRefresh(false))
}

func validate(path string) error { return schema.BuiltinSchema().ValidateFile(path) }
