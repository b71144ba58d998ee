"""The words of block B's network profiles and of blocks A and M: enumerations and data types.

What a field means is told by OCPP 2.0.1 Part 2, sections 2 and 3, under the same name.
"""

from enum import StrEnum

from bridge.station.messages.base import CustomData, Integer, message_type
from bridge.station.messages.enums import HashAlgorithm


class ApnAuthentication(StrEnum):
    """How a modem authenticates itself at its access point."""

    CHAP = "CHAP"
    NONE = "NONE"
    PAP = "PAP"
    AUTO = "AUTO"


class DeleteCertificateStatus(StrEnum):
    """What became of deleting a certificate."""

    ACCEPTED = "Accepted"
    FAILED = "Failed"
    NOT_FOUND = "NotFound"


class GetCertificateIdUse(StrEnum):
    """What a certificate that is told of serves for."""

    V2G_ROOT_CERTIFICATE = "V2GRootCertificate"
    MO_ROOT_CERTIFICATE = "MORootCertificate"
    CSMS_ROOT_CERTIFICATE = "CSMSRootCertificate"
    V2G_CERTIFICATE_CHAIN = "V2GCertificateChain"
    MANUFACTURER_ROOT_CERTIFICATE = "ManufacturerRootCertificate"
    OEM_ROOT_CERTIFICATE = "OEMRootCertificate"


class GetInstalledCertificateStatus(StrEnum):
    """Whether there are certificates of the kind asked for."""

    ACCEPTED = "Accepted"
    NOT_FOUND = "NotFound"


class InstallCertificateStatus(StrEnum):
    """What became of installing a certificate."""

    ACCEPTED = "Accepted"
    REJECTED = "Rejected"
    FAILED = "Failed"


class InstallCertificateUse(StrEnum):
    """What a root certificate that is installed serves for."""

    V2G_ROOT_CERTIFICATE = "V2GRootCertificate"
    MO_ROOT_CERTIFICATE = "MORootCertificate"
    CSMS_ROOT_CERTIFICATE = "CSMSRootCertificate"
    MANUFACTURER_ROOT_CERTIFICATE = "ManufacturerRootCertificate"
    OEM_ROOT_CERTIFICATE = "OEMRootCertificate"


class OcppInterface(StrEnum):
    """The network interface of a connection to the CSMS."""

    WIRED0 = "Wired0"
    WIRED1 = "Wired1"
    WIRED2 = "Wired2"
    WIRED3 = "Wired3"
    WIRELESS0 = "Wireless0"
    WIRELESS1 = "Wireless1"
    WIRELESS2 = "Wireless2"
    WIRELESS3 = "Wireless3"
    ANY = "Any"


class OcppTransport(StrEnum):
    """How messages are written."""

    JSON = "JSON"
    SOAP = "SOAP"


class OcppVersion(StrEnum):
    """The version of OCPP on a connection."""

    OCPP12 = "OCPP12"
    OCPP15 = "OCPP15"
    OCPP16 = "OCPP16"
    OCPP20 = "OCPP20"
    OCPP201 = "OCPP201"
    OCPP21 = "OCPP21"


class SecurityEvent(StrEnum):
    """What a station tells of its security (Part 2, appendix 1), as far as it happens here."""

    FAILED_TO_AUTHENTICATE_AT_CSMS = "FailedToAuthenticateAtCsms"
    INVALID_CSMS_CERTIFICATE = "InvalidCsmsCertificate"
    RECONFIGURATION_OF_SECURITY_PARAMETERS = "ReconfigurationOfSecurityParameters"
    RESET_OR_REBOOT = "ResetOrReboot"
    SETTING_SYSTEM_TIME = "SettingSystemTime"
    STARTUP_OF_THE_DEVICE = "StartupOfTheDevice"
    STORE_DAMAGED = "StoreDamaged"  # our own: the list of the appendix has none for it


class SetNetworkProfileStatus(StrEnum):
    """What became of a network connection profile."""

    ACCEPTED = "Accepted"
    REJECTED = "Rejected"
    FAILED = "Failed"


class VpnKind(StrEnum):
    """The protocol of a virtual private network."""

    IKEV2 = "IKEv2"
    IPSEC = "IPSec"
    L2TP = "L2TP"
    PPTP = "PPTP"


@message_type
class Apn:
    """A modem's access point."""

    apn: str
    apn_authentication: ApnAuthentication
    apn_user_name: str | None = None
    apn_password: str | None = None
    sim_pin: Integer | None = None
    preferred_network: str | None = None
    use_only_preferred_network: bool | None = None
    custom_data: CustomData | None = None


@message_type
class CertificateHashData:
    """What names a certificate."""

    hash_algorithm: HashAlgorithm
    issuer_name_hash: str
    issuer_key_hash: str
    serial_number: str
    custom_data: CustomData | None = None


@message_type
class CertificateHashDataChain:
    """An installed certificate, and those that it has signed."""

    certificate_hash_data: CertificateHashData
    certificate_type: GetCertificateIdUse
    child_certificate_hash_data: tuple[CertificateHashData, ...] | None = None
    custom_data: CustomData | None = None


@message_type
class Vpn:
    """A virtual private network."""

    server: str
    user: str
    password: str
    key: str
    type: VpnKind
    group: str | None = None
    custom_data: CustomData | None = None


@message_type
class NetworkConnectionProfile:
    """How a CSMS is reached; `message_timeout` in s."""

    ocpp_transport: OcppTransport
    ocpp_csms_url: str
    message_timeout: Integer
    security_profile: Integer
    ocpp_interface: OcppInterface
    ocpp_version: OcppVersion | None = None  # 2.1 leaves it to the handshake
    identity: str | None = None
    basic_auth_password: str | None = None
    vpn: Vpn | None = None
    apn: Apn | None = None
    custom_data: CustomData | None = None
