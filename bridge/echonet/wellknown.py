"""Codes that every ECHONET Lite node has: the super class', the node profile's and our own controller's.

The only module of the product where property codes stand bare. Everything that one class of devices has beyond these
comes from the dictionaries in `mappings/devices/`.
"""

from __future__ import annotations

from typing import Final

#: The destination port of every datagram, answers included.
PORT: Final = 3610
GROUP_IPV4: Final = "224.0.23.0"
GROUP_IPV6: Final = "ff02::1"

# Objects, as group, class and instance in 24 bits.
NODE_PROFILE: Final = 0x0EF001
NODE_PROFILE_SEND_ONLY: Final = 0x0EF002
CONTROLLER: Final = 0x05FF01

#: The first and the last code that a property may have.
FIRST_EPC: Final = 0x80
LAST_EPC: Final = 0xFF
#: From here on they are each maker's own.
FIRST_OWN_EPC: Final = 0xF0

# Super class.
OPERATION_STATUS: Final = 0x80
INSTALLATION_LOCATION: Final = 0x81
STANDARD_VERSION: Final = 0x82
IDENTIFICATION: Final = 0x83
MANUFACTURER_FAULT_CODE: Final = 0x86
FAULT_STATUS: Final = 0x88
FAULT_DESCRIPTION: Final = 0x89
MANUFACTURER: Final = 0x8A
PRODUCT_CODE: Final = 0x8C
SERIAL_NUMBER: Final = 0x8D
ANNOUNCED_MAP: Final = 0x9D
SETTABLE_MAP: Final = 0x9E
GETTABLE_MAP: Final = 0x9F

# Node profile.
SELF_NODE_INSTANCES: Final = 0xD3
SELF_NODE_CLASSES: Final = 0xD4
INSTANCE_LIST_NOTIFICATION: Final = 0xD5
INSTANCE_LIST: Final = 0xD6
CLASS_LIST: Final = 0xD7

# Values of the super class.
ON: Final = b"\x30"
NO_FAULT: Final = b"\x42"
LOCATION_NOT_SET: Final = b"\x00"

#: A maker code for those who have none of the consortium's.
EXPERIMENTAL_MAKER: Final = b"\xff\xff\xff"


def class_of(eoj: int) -> int:
    """Group and class of an object: 0x027E of 0x027E01."""
    return eoj >> 8


def instance_of(eoj: int) -> int:
    """Instance of an object: 0x01 of 0x027E01; 0 addresses all instances of the class (AIF 2.1)."""
    return eoj & 0xFF


def all_instances(class_code: int) -> int:
    """The object that addresses all instances of a class: 0x027E00 for 0x027E (AIF 2.1)."""
    return class_code << 8
