"""DRA in the daemon: publishes the devices in ResourceSlices and prepares claims."""
