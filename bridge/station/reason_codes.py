"""The reason codes that OCPP lists for a StatusInfo (Part 2, appendix 5)."""

from __future__ import annotations

from enum import StrEnum


class ReasonCode(StrEnum):
    """Why a request was answered as it was."""

    CS_NOT_ACCEPTED = "CSNotAccepted"
    DUPLICATE_PROFILE = "DuplicateProfile"
    DUPLICATE_REQUEST_ID = "DuplicateRequestId"
    FIXED_CABLE = "FixedCable"
    FW_UPDATE_IN_PROGRESS = "FwUpdateInProgress"
    INTERNAL_ERROR = "InternalError"
    INVALID_CERTIFICATE = "InvalidCertificate"
    INVALID_CONF_SLOT = "InvalidConfSlot"
    INVALID_CSR = "InvalidCSR"
    INVALID_ID_TOKEN = "InvalidIdToken"
    INVALID_MESSAGE_SEQ = "InvalidMessageSeq"
    INVALID_NETWORK_CONF = "InvalidNetworkConf"
    INVALID_OPERATION_MODE = "InvalidOperationMode"  # since 2.1
    INVALID_PROFILE = "InvalidProfile"
    INVALID_SCHEDULE = "InvalidSchedule"
    INVALID_STACK_LEVEL = "InvalidStackLevel"
    INVALID_URL = "InvalidURL"
    INVALID_VALUE = "InvalidValue"
    MISSING_DEV_MODEL_INFO = "MissingDevModelInfo"
    MISSING_PARAM = "MissingParam"
    NO_CABLE = "NoCable"
    NO_ERROR = "NoError"
    NO_SECURITY_DOWNGRADE = "NoSecurityDowngrade"
    NOT_ENABLED = "NotEnabled"
    NOT_FOUND = "NotFound"
    OUT_OF_MEMORY = "OutOfMemory"
    OUT_OF_STORAGE = "OutOfStorage"
    PHASE_CONFLICT = "PhaseConflict"  # since 2.1
    READ_ONLY = "ReadOnly"
    TOO_LARGE_ELEMENT = "TooLargeElement"
    TOO_MANY_ELEMENTS = "TooManyElements"
    TX_IN_PROGRESS = "TxInProgress"
    TX_NOT_FOUND = "TxNotFound"
    TX_STARTED = "TxStarted"
    UNKNOWN_CONNECTOR_ID = "UnknownConnectorId"
    UNKNOWN_CONNECTOR_TYPE = "UnknownConnectorType"
    UNKNOWN_EVSE = "UnknownEvse"
    UNKNOWN_TX_ID = "UnknownTxId"
    UNSPECIFIED = "Unspecified"
    UNSUPPORTED_KIND = "UnsupportedKind"  # since 2.1
    UNSUPPORTED_PARAM = "UnsupportedParam"
    UNSUPPORTED_PURPOSE = "UnsupportedPurpose"  # since 2.1
    UNSUPPORTED_RATE_UNIT = "UnsupportedRateUnit"
    UNSUPPORTED_REQUEST = "UnsupportedRequest"
    VALUE_OUT_OF_RANGE = "ValueOutOfRange"
    VALUE_POSITIVE_ONLY = "ValuePositiveOnly"
    VALUE_TOO_HIGH = "ValueTooHigh"
    VALUE_TOO_LOW = "ValueTooLow"
    VALUE_ZERO_NOT_ALLOWED = "ValueZeroNotAllowed"
    WRITE_ONLY = "WriteOnly"
