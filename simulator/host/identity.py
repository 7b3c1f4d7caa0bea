"""Made-up GUIDs and MACs: unique within a host, and the same each time."""

import zlib

_OUI = 0xA088C2  # NVIDIA's


def serial_of_function(address: str) -> int:
    """24 bits, unique per PCI function. Functions of one card differ in the last three bits."""
    domain, bus, rest = address.split(":")
    device, function = rest.split(".")
    in_bus = int(device, 16) << 3 | int(function)
    return (int(domain, 16) & 0xFF) << 16 | int(bus, 16) << 8 | in_bus


def serial_of_name(name: str) -> int:
    """24 bits for a device without a PCI address."""
    return zlib.crc32(name.encode()) & 0xFFFFFF


def guid(serial: int) -> str:
    """A GUID in the format of node_guid: a088:c203:0018:00b8."""
    return _in_fours(f"{_OUI << 40 | 0x0300 << 24 | serial:016x}")


def guid_plus(base: str, count: int) -> str:
    """The GUID `base` + `count`."""
    return _in_fours(f"{(int(base.replace(':', ''), 16) + count) & 0xFFFF_FFFF_FFFF_FFFF:016x}")


def mac(serial: int) -> str:
    """A MAC in the format of net/*/address."""
    return (_OUI << 24 | serial).to_bytes(6, "big").hex(":")


def link_local_gid(mac_address: str) -> str:
    """The RoCE GID of fe80::/64 with the MAC's modified EUI-64 (RFC 4291, appendix A)."""
    octets = bytes.fromhex(mac_address.replace(":", ""))
    eui64 = bytes([octets[0] ^ 2]) + octets[1:3] + b"\xff\xfe" + octets[3:]
    return "fe80:0000:0000:0000:" + _in_fours(eui64.hex())


def ipv4_gid(ifindex: int) -> str:
    """The RoCE GID of an IPv4 address (RFC 4291, 2.5.5.2). Each interface has its own subnet."""
    return "0000:0000:0000:0000:0000:ffff:" + _in_fours(f"0a{ifindex & 0xFFFF:04x}01")


def iwarp_gid(mac_address: str) -> str:
    """The only GID of an RNIC: its MAC, then zeros (kernel sw/siw, siw_query_gid)."""
    return _in_fours(f"{mac_address.replace(':', ''):0<32}")


def ipoib_address(port_guid: str) -> str:
    """An IPoIB netdev's 20 bytes: flags, QPN, then the GID with the port's GUID (RFC 4391)."""
    octets = bytes.fromhex("00001029" + "fe80000000000000" + port_guid.replace(":", ""))
    return octets.hex(":")


def _in_fours(digits: str) -> str:
    return ":".join(digits[i : i + 4] for i in range(0, len(digits), 4))
