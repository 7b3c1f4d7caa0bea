"""Fakes for the demo and the tests: a kubelet and a host. Nothing else imports them."""
