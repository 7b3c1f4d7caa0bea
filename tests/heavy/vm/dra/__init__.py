"""DRA in the VM. Run by `python -m tests.heavy.vm.dra`."""
