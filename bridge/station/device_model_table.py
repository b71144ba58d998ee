"""The device model as a table: every variable of the station, its limits, its default and who may write it.

It holds what OCPP 2.0.1 requires of Core and smart charging, and only of functions that exist here. `Key` names a
variable as settings are named in the store and in a site's configuration: Component.Variable[Instance].
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum, StrEnum, auto

from bridge.records import dataclass
from bridge.station.messages import ChargingRateUnit, ConnectorStatus, Data, Measurand, Mutability, TxPoint
from bridge.station.messages.enums import EnergyTransferMode, OperationMode
from bridge.station.network_profiles import SITE_SLOT, SLOTS
from bridge.station.root_store import MOST_ENTRIES


class Key(StrEnum):
    """Every variable of the device model."""

    HEARTBEAT_INTERVAL = "OCPPCommCtrlr.HeartbeatInterval"
    MESSAGE_TIMEOUT = "OCPPCommCtrlr.MessageTimeout[Default]"
    MESSAGE_ATTEMPTS = "OCPPCommCtrlr.MessageAttempts[TransactionEvent]"
    MESSAGE_ATTEMPT_INTERVAL = "OCPPCommCtrlr.MessageAttemptInterval[TransactionEvent]"
    OFFLINE_THRESHOLD = "OCPPCommCtrlr.OfflineThreshold"
    QUEUE_ALL_MESSAGES = "OCPPCommCtrlr.QueueAllMessages"
    NETWORK_CONFIGURATION_PRIORITY = "OCPPCommCtrlr.NetworkConfigurationPriority"
    NETWORK_PROFILE_CONNECTION_ATTEMPTS = "OCPPCommCtrlr.NetworkProfileConnectionAttempts"
    ACTIVE_NETWORK_PROFILE = "OCPPCommCtrlr.ActiveNetworkProfile"
    RETRY_BACK_OFF_WAIT_MINIMUM = "OCPPCommCtrlr.RetryBackOffWaitMinimum"
    RETRY_BACK_OFF_RANDOM_RANGE = "OCPPCommCtrlr.RetryBackOffRandomRange"
    RETRY_BACK_OFF_REPEAT_TIMES = "OCPPCommCtrlr.RetryBackOffRepeatTimes"
    WEB_SOCKET_PING_INTERVAL = "OCPPCommCtrlr.WebSocketPingInterval"
    RESET_RETRIES = "OCPPCommCtrlr.ResetRetries"
    UNLOCK_ON_EV_SIDE_DISCONNECT = "OCPPCommCtrlr.UnlockOnEVSideDisconnect"
    FILE_TRANSFER_PROTOCOLS = "OCPPCommCtrlr.FileTransferProtocols"

    EV_CONNECTION_TIME_OUT = "TxCtrlr.EVConnectionTimeOut"
    STOP_TX_ON_EV_SIDE_DISCONNECT = "TxCtrlr.StopTxOnEVSideDisconnect"
    STOP_TX_ON_INVALID_ID = "TxCtrlr.StopTxOnInvalidId"
    MAX_ENERGY_ON_INVALID_ID = "TxCtrlr.MaxEnergyOnInvalidId"
    TX_START_POINT = "TxCtrlr.TxStartPoint"
    TX_STOP_POINT = "TxCtrlr.TxStopPoint"
    TX_SUPPORTED_LIMITS = "TxCtrlr.SupportedLimits"

    AUTH_ENABLED = "AuthCtrlr.Enabled"
    AUTHORIZE_REMOTE_START = "AuthCtrlr.AuthorizeRemoteStart"
    LOCAL_AUTHORIZE_OFFLINE = "AuthCtrlr.LocalAuthorizeOffline"
    LOCAL_PRE_AUTHORIZE = "AuthCtrlr.LocalPreAuthorize"
    OFFLINE_TX_FOR_UNKNOWN_ID = "AuthCtrlr.OfflineTxForUnknownIdEnabled"
    MASTER_PASS_GROUP_ID = "AuthCtrlr.MasterPassGroupId"
    DISABLE_REMOTE_AUTHORIZATION = "AuthCtrlr.DisableRemoteAuthorization"

    AUTH_CACHE_AVAILABLE = "AuthCacheCtrlr.Available"
    AUTH_CACHE_ENABLED = "AuthCacheCtrlr.Enabled"
    AUTH_CACHE_LIFE_TIME = "AuthCacheCtrlr.LifeTime"
    AUTH_CACHE_POLICY = "AuthCacheCtrlr.Policy"
    AUTH_CACHE_STORAGE = "AuthCacheCtrlr.Storage"
    AUTH_CACHE_DISABLE_POST_AUTHORIZE = "AuthCacheCtrlr.DisablePostAuthorize"

    SAMPLED_AVAILABLE = "SampledDataCtrlr.Available"
    SAMPLED_ENABLED = "SampledDataCtrlr.Enabled"
    SAMPLED_TX_STARTED_MEASURANDS = "SampledDataCtrlr.TxStartedMeasurands"
    SAMPLED_TX_UPDATED_MEASURANDS = "SampledDataCtrlr.TxUpdatedMeasurands"
    SAMPLED_TX_UPDATED_INTERVAL = "SampledDataCtrlr.TxUpdatedInterval"
    SAMPLED_TX_ENDED_MEASURANDS = "SampledDataCtrlr.TxEndedMeasurands"
    SAMPLED_TX_ENDED_INTERVAL = "SampledDataCtrlr.TxEndedInterval"

    ALIGNED_AVAILABLE = "AlignedDataCtrlr.Available"
    ALIGNED_ENABLED = "AlignedDataCtrlr.Enabled"
    ALIGNED_MEASURANDS = "AlignedDataCtrlr.Measurands"
    ALIGNED_INTERVAL = "AlignedDataCtrlr.Interval"
    ALIGNED_SEND_DURING_IDLE = "AlignedDataCtrlr.SendDuringIdle"
    ALIGNED_TX_ENDED_MEASURANDS = "AlignedDataCtrlr.TxEndedMeasurands"
    ALIGNED_TX_ENDED_INTERVAL = "AlignedDataCtrlr.TxEndedInterval"

    DATE_TIME = "ClockCtrlr.DateTime"
    TIME_SOURCE = "ClockCtrlr.TimeSource"
    TIME_ZONE = "ClockCtrlr.TimeZone"

    ITEMS_GET_REPORT = "DeviceDataCtrlr.ItemsPerMessage[GetReport]"
    ITEMS_GET_VARIABLES = "DeviceDataCtrlr.ItemsPerMessage[GetVariables]"
    ITEMS_SET_VARIABLES = "DeviceDataCtrlr.ItemsPerMessage[SetVariables]"
    BYTES_GET_REPORT = "DeviceDataCtrlr.BytesPerMessage[GetReport]"
    BYTES_GET_VARIABLES = "DeviceDataCtrlr.BytesPerMessage[GetVariables]"
    BYTES_SET_VARIABLES = "DeviceDataCtrlr.BytesPerMessage[SetVariables]"
    CONFIGURATION_VALUE_SIZE = "DeviceDataCtrlr.ConfigurationValueSize"
    REPORTING_VALUE_SIZE = "DeviceDataCtrlr.ReportingValueSize"

    SECURITY_PROFILE = "SecurityCtrlr.SecurityProfile"
    IDENTITY = "SecurityCtrlr.Identity"
    BASIC_AUTH_PASSWORD = "SecurityCtrlr.BasicAuthPassword"
    ORGANIZATION_NAME = "SecurityCtrlr.OrganizationName"
    CERTIFICATE_ENTRIES = "SecurityCtrlr.CertificateEntries"
    ADDITIONAL_ROOT_CERTIFICATE_CHECK = "SecurityCtrlr.AdditionalRootCertificateCheck"

    SMART_AVAILABLE = "SmartChargingCtrlr.Available"
    SMART_ENTRIES = "SmartChargingCtrlr.Entries[ChargingProfiles]"
    SMART_LIMIT_CHANGE_SIGNIFICANCE = "SmartChargingCtrlr.LimitChangeSignificance"
    SMART_NOTIFY_WITH_SCHEDULES = "SmartChargingCtrlr.NotifyChargingLimitWithSchedules"
    SMART_PERIODS_PER_SCHEDULE = "SmartChargingCtrlr.PeriodsPerSchedule"
    SMART_PROFILE_STACK_LEVEL = "SmartChargingCtrlr.ProfileStackLevel"
    SMART_RATE_UNIT = "SmartChargingCtrlr.RateUnit"
    SMART_DYNAMIC_PROFILES = "SmartChargingCtrlr.SupportsFeature[DynamicProfiles]"
    SMART_MAX_OFFLINE_DURATION = "SmartChargingCtrlr.SupportsFeature[MaxOfflineDuration]"
    SMART_KEEPS_TX_PROFILES = "SmartChargingCtrlr.ChargingProfilePersistence[TxProfile]"
    SMART_KEEPS_CONSTRAINTS = "SmartChargingCtrlr.ChargingProfilePersistence[ChargingStationExternalConstraints]"

    STATION_AVAILABLE = "ChargingStation.Available"
    STATION_AVAILABILITY_STATE = "ChargingStation.AvailabilityState"
    STATION_SUPPLY_PHASES = "ChargingStation.SupplyPhases"
    STATION_MODEL = "ChargingStation.Model"
    STATION_VENDOR_NAME = "ChargingStation.VendorName"
    STATION_FIRMWARE_VERSION = "ChargingStation.FirmwareVersion"
    STATION_PROBLEM = "ChargingStation.Problem"

    EVSE_AVAILABLE = "EVSE.Available"
    EVSE_AVAILABILITY_STATE = "EVSE.AvailabilityState"
    EVSE_SUPPLY_PHASES = "EVSE.SupplyPhases"
    EVSE_POWER = "EVSE.Power"
    EVSE_ALLOW_RESET = "EVSE.AllowReset"
    EVSE_PROBLEM = "EVSE.Problem"
    EVSE_TROUBLE = "EVSE.Trouble"  # our own: what the problem is, for a person
    EVSE_HANDS_OFF = "EVSE.HandsOff"  # our own: the gateway leaves the unit alone until it is lifted
    EVSE_TARGET_ENERGY_CHARGE = "EVSE.TargetEnergy[Charge]"  # our own: how far the running transaction goes
    EVSE_TARGET_SOC_CHARGE = "EVSE.TargetSoC[Charge]"
    EVSE_TARGET_ENERGY_DISCHARGE = "EVSE.TargetEnergy[Discharge]"
    EVSE_TARGET_SOC_DISCHARGE = "EVSE.TargetSoC[Discharge]"
    BIDIRECTIONAL_AVAILABLE = "V2XChargingCtrlr.Available"
    BIDIRECTIONAL_ENABLED = "V2XChargingCtrlr.Enabled"
    BIDIRECTIONAL_MODES = "V2XChargingCtrlr.SupportedOperationModes"
    BIDIRECTIONAL_TRANSFERS = "V2XChargingCtrlr.SupportedEnergyTransferModes"
    BALANCING_UPPER_THRESHOLD = "V2XChargingCtrlr.LocalLoadBalancing[UpperThreshold]"
    BALANCING_LOWER_THRESHOLD = "V2XChargingCtrlr.LocalLoadBalancing[LowerThreshold]"
    BALANCING_UPPER_OFFSET = "V2XChargingCtrlr.LocalLoadBalancing[UpperOffset]"
    BALANCING_LOWER_OFFSET = "V2XChargingCtrlr.LocalLoadBalancing[LowerOffset]"
    CONNECTED_EV_VEHICLE_ID = "ConnectedEV.VehicleID"
    CONNECTED_EV_STATE_OF_CHARGE = "ConnectedEV.StateOfCharge"

    CONNECTOR_AVAILABLE = "Connector.Available"
    CONNECTOR_AVAILABILITY_STATE = "Connector.AvailabilityState"
    CONNECTOR_TYPE = "Connector.ConnectorType"
    CONNECTOR_SUPPLY_PHASES = "Connector.SupplyPhases"

    @property
    def component(self) -> str:
        """The component's name."""
        return self.value.partition(".")[0]

    @property
    def variable(self) -> str:
        """The variable's name."""
        return self.value.partition(".")[2].partition("[")[0]

    @property
    def instance(self) -> str | None:
        """The variable's instance."""
        return self.value.partition("[")[2].rstrip("]") or None


@dataclass(frozen=True, slots=True)
class ShownName:
    """The name of a variable that is in no table here: a unit's mapping table shows it of an EVSE."""

    component: str
    variable: str
    instance: str | None = None

    def __str__(self) -> str:
        return f"{self.component}.{self.variable}"


#: The connector of every EVSE: home units have one.
CONNECTOR = 1


class Scope(Enum):
    """How often a variable exists."""

    STATION = auto()
    EVSE = auto()
    CONNECTOR = auto()

    def places(self, evse_ids: Iterable[int]) -> Iterable[tuple[int, int]]:
        """The EVSE and the connector of each place; 0 where there is none."""
        if self is Scope.STATION:
            return ((0, 0),)
        return ((evse_id, CONNECTOR if self is Scope.CONNECTOR else 0) for evse_id in evse_ids)

    @property
    def sign(self) -> str:
        """What follows a variable's name where a site names one that is not the station's."""
        return {Scope.STATION: "", Scope.EVSE: "@1", Scope.CONNECTOR: "@1.1"}[self]


class ConnectorKind(StrEnum):
    """ConnectorEnumType, as far as Japanese sites have it."""

    CHADEMO = "cG105"
    TYPE_1 = "cType1"
    TYPE_2 = "cType2"
    CCS_1 = "cCCS1"
    OUTLET = "Other1PhMax16A"
    OTHER = "Undetermined"


class CachePolicy(StrEnum):
    """AuthCacheCtrlr.Policy, as far as we obey it: what gives way in a full cache was longest unused."""

    LRU = "LRU"


class FileTransferProtocol(StrEnum):
    """OCPPCommCtrlr.FileTransferProtocols."""

    FTP = "FTP"
    FTPS = "FTPS"
    HTTP = "HTTP"
    HTTPS = "HTTPS"
    SFTP = "SFTP"


class TimeSource(StrEnum):
    """ClockCtrlr.TimeSource, as far as we obey it."""

    HEARTBEAT = "Heartbeat"


@dataclass(frozen=True, slots=True)
class Row:
    """One variable. `low` and `high` bound a number, or the length of a text; `values` an enumeration.

    `live` values come from the running gateway and are never kept. `reboot`: a new value counts after a restart.
    `filled`: an empty list is no value.
    """

    key: Key | ShownName
    data: Data
    default: str = ""
    unit: str | None = None
    low: float | None = None
    high: float | None = None
    values: tuple[str, ...] = ()
    mutability: Mutability = Mutability.READ_ONLY
    scope: Scope = Scope.STATION
    live: bool = False
    reboot: bool = False
    filled: bool = False

    @property
    def reacts(self) -> str:
        """Who reacts to a new value: modules of `bridge`, or why nobody has to. Empty where nobody can set one."""
        return _REACTS.get(self.key, "") if isinstance(self.key, Key) else ""


#: The most characters of a value that is set, and of one that is told (DeviceDataCtrlr; the schemas say the same).
LONGEST_SETTING = 1000
LONGEST_REPORTED = 2500
_RW = Mutability.READ_WRITE
_MONTH = 31 * 86_400


def _flag(key: Key, default: bool, mutability: Mutability = _RW, scope: Scope = Scope.STATION) -> Row:
    return Row(key, Data.BOOLEAN, str(default).lower(), mutability=mutability, scope=scope)


def _setting(key: Key, default: int, unit: str | None, low: int, high: int) -> Row:
    return Row(key, Data.INTEGER, str(default), unit, low, high, mutability=_RW)


def _fact(key: Key, value: int, scope: Scope = Scope.STATION, *, high: int | None = None, live: bool = False) -> Row:
    return Row(key, Data.INTEGER, str(value), high=high, scope=scope, live=live)


def _members(key: Key, default: Iterable[str], values: Iterable[str], *, filled: bool = False) -> Row:
    return Row(key, Data.MEMBER_LIST, ",".join(default), values=tuple(values), mutability=_RW, filled=filled, high=1000)


def _text(key: Key, default: str = "", scope: Scope = Scope.STATION, *, live: bool = False) -> Row:
    return Row(key, Data.STRING, default, scope=scope, live=live)


_M = Measurand
#: What can be measured (translation.md, MeterValues).
MEASURANDS = (
    _M.ENERGY_ACTIVE_IMPORT_REGISTER,
    _M.ENERGY_ACTIVE_EXPORT_REGISTER,
    _M.POWER_ACTIVE_IMPORT,
    _M.POWER_ACTIVE_EXPORT,
    _M.POWER_OFFERED,
    _M.CURRENT_IMPORT,
    _M.CURRENT_EXPORT,
    _M.VOLTAGE,
    _M.SOC,
)
_REGISTERS = (_M.ENERGY_ACTIVE_IMPORT_REGISTER, _M.ENERGY_ACTIVE_EXPORT_REGISTER)
_USUAL = (*_REGISTERS, _M.POWER_ACTIVE_IMPORT, _M.POWER_ACTIVE_EXPORT, _M.SOC)
#: Without bay detectors and signing meters there are four points.
_POINTS = (TxPoint.EV_CONNECTED, TxPoint.AUTHORIZED, TxPoint.POWER_PATH_CLOSED, TxPoint.ENERGY_TRANSFER)
_STATES = tuple(ConnectorStatus)
_UNKNOWN_STATE = ConnectorStatus.UNAVAILABLE


def _state(key: Key, scope: Scope = Scope.STATION) -> Row:
    return Row(key, Data.OPTION_LIST, _UNKNOWN_STATE, values=_STATES, scope=scope, live=True)


def _problem(key: Key, scope: Scope = Scope.STATION) -> Row:
    return Row(key, Data.BOOLEAN, str(False).lower(), scope=scope, live=True)


def _target(key: Key, unit: str, high: int) -> Row:  # kept with its transaction, not as a setting
    return Row(key, Data.DECIMAL, "0", unit, 0, high, mutability=_RW, scope=Scope.EVSE, live=True)


#: What of a TransactionLimit counts here; no cost is computed.
TX_LIMITS = ("maxEnergy", "maxTime", "maxSoC")

#: Every variable, in the order in which reports tell them.
TABLE: tuple[Row, ...] = (
    _flag(Key.STATION_AVAILABLE, True, Mutability.READ_ONLY),
    _state(Key.STATION_AVAILABILITY_STATE),
    _fact(Key.STATION_SUPPLY_PHASES, 1),
    _text(Key.STATION_MODEL),
    _text(Key.STATION_VENDOR_NAME),
    _text(Key.STATION_FIRMWARE_VERSION),
    _problem(Key.STATION_PROBLEM),
    _flag(Key.EVSE_AVAILABLE, True, Mutability.READ_ONLY, Scope.EVSE),
    _state(Key.EVSE_AVAILABILITY_STATE, Scope.EVSE),
    _fact(Key.EVSE_SUPPLY_PHASES, 0, Scope.EVSE),
    Row(Key.EVSE_POWER, Data.DECIMAL, "", "W", scope=Scope.EVSE, live=True),
    _flag(Key.EVSE_ALLOW_RESET, True, Mutability.READ_ONLY, Scope.EVSE),
    _problem(Key.EVSE_PROBLEM, Scope.EVSE),
    _text(Key.EVSE_TROUBLE, scope=Scope.EVSE, live=True),
    _flag(Key.EVSE_HANDS_OFF, False, _RW, Scope.EVSE),
    *(_target(key, "Wh", 1_000_000) for key in (Key.EVSE_TARGET_ENERGY_CHARGE, Key.EVSE_TARGET_ENERGY_DISCHARGE)),
    *(_target(key, "Percent", 100) for key in (Key.EVSE_TARGET_SOC_CHARGE, Key.EVSE_TARGET_SOC_DISCHARGE)),
    _problem(Key.BIDIRECTIONAL_AVAILABLE, Scope.EVSE),  # OCPP 2.1's; in 2.0.1 a vendor's of the same names
    _flag(Key.BIDIRECTIONAL_ENABLED, True, _RW, Scope.EVSE),
    Row(Key.BIDIRECTIONAL_MODES, Data.MEMBER_LIST, values=tuple(OperationMode), scope=Scope.EVSE, live=True),
    Row(Key.BIDIRECTIONAL_TRANSFERS, Data.MEMBER_LIST, values=tuple(EnergyTransferMode), scope=Scope.EVSE, live=True),
    _text(Key.CONNECTED_EV_VEHICLE_ID, scope=Scope.EVSE, live=True),
    Row(Key.CONNECTED_EV_STATE_OF_CHARGE, Data.DECIMAL, "", "Percent", 0, 100, scope=Scope.EVSE, live=True),
    _flag(Key.CONNECTOR_AVAILABLE, True, Mutability.READ_ONLY, Scope.CONNECTOR),
    _state(Key.CONNECTOR_AVAILABILITY_STATE, Scope.CONNECTOR),
    _text(Key.CONNECTOR_TYPE, ConnectorKind.CHADEMO, Scope.CONNECTOR),
    _fact(Key.CONNECTOR_SUPPLY_PHASES, 0, Scope.CONNECTOR),
    _setting(Key.HEARTBEAT_INTERVAL, 300, "s", 1, _MONTH),
    # Above 45 s, because CSMSs hold a CALL for 30 s while one of their own is open.
    Row(Key.MESSAGE_TIMEOUT, Data.INTEGER, "60", "s", 1, 600),
    _setting(Key.MESSAGE_ATTEMPTS, 3, None, 1, 100),
    _setting(Key.MESSAGE_ATTEMPT_INTERVAL, 60, "s", 0, 86_400),
    _setting(Key.OFFLINE_THRESHOLD, 60, "s", 0, _MONTH),
    _flag(Key.QUEUE_ALL_MESSAGES, False),
    Row(
        Key.NETWORK_CONFIGURATION_PRIORITY,
        Data.SEQUENCE_LIST,
        str(SITE_SLOT),
        values=tuple(map(str, SLOTS)),
        mutability=_RW,
        reboot=True,
        filled=True,
    ),
    _setting(Key.NETWORK_PROFILE_CONNECTION_ATTEMPTS, 3, None, 1, 1000),
    _fact(Key.ACTIVE_NETWORK_PROFILE, SITE_SLOT, live=True),
    _setting(Key.RETRY_BACK_OFF_WAIT_MINIMUM, 10, "s", 1, 86_400),
    _setting(Key.RETRY_BACK_OFF_RANDOM_RANGE, 10, "s", 0, 86_400),
    _setting(Key.RETRY_BACK_OFF_REPEAT_TIMES, 5, None, 0, 20),
    _setting(Key.WEB_SOCKET_PING_INTERVAL, 60, "s", 0, 86_400),
    _setting(Key.RESET_RETRIES, 1, None, 0, 100),
    # The cable belongs to the unit, and the unit alone locks it.
    _flag(Key.UNLOCK_ON_EV_SIDE_DISCONNECT, False, Mutability.READ_ONLY),
    # None: no firmware comes and no log goes over files. A list must still say what could stand in it (TC_B_53).
    Row(Key.FILE_TRANSFER_PROTOCOLS, Data.MEMBER_LIST, values=tuple(FileTransferProtocol)),
    _setting(Key.EV_CONNECTION_TIME_OUT, 120, "s", 0, 86_400),
    _flag(Key.STOP_TX_ON_EV_SIDE_DISCONNECT, True),
    _flag(Key.STOP_TX_ON_INVALID_ID, True),
    _setting(Key.MAX_ENERGY_ON_INVALID_ID, 0, "Wh", 0, 1_000_000),
    _members(Key.TX_START_POINT, (TxPoint.POWER_PATH_CLOSED,), _POINTS, filled=True),
    _members(Key.TX_STOP_POINT, (TxPoint.EV_CONNECTED, TxPoint.AUTHORIZED), _POINTS, filled=True),
    Row(Key.TX_SUPPORTED_LIMITS, Data.MEMBER_LIST, ",".join(TX_LIMITS), values=TX_LIMITS),  # OCPP 2.1's
    _flag(Key.AUTH_ENABLED, True),
    _flag(Key.AUTHORIZE_REMOTE_START, False),
    _flag(Key.LOCAL_AUTHORIZE_OFFLINE, True),
    _flag(Key.LOCAL_PRE_AUTHORIZE, False),
    _flag(Key.OFFLINE_TX_FOR_UNKNOWN_ID, False),
    Row(Key.MASTER_PASS_GROUP_ID, Data.STRING, "", high=36, mutability=_RW),
    _flag(Key.DISABLE_REMOTE_AUTHORIZATION, False),
    _flag(Key.AUTH_CACHE_AVAILABLE, True, Mutability.READ_ONLY),
    _flag(Key.AUTH_CACHE_ENABLED, True),
    _setting(Key.AUTH_CACHE_LIFE_TIME, 7 * 86_400, "s", 0, 10 * 366 * 86_400),
    Row(Key.AUTH_CACHE_POLICY, Data.OPTION_LIST, CachePolicy.LRU, values=tuple(CachePolicy), mutability=_RW),
    Row(Key.AUTH_CACHE_STORAGE, Data.INTEGER, "0", "B", 0, 65_536, live=True),
    _flag(Key.AUTH_CACHE_DISABLE_POST_AUTHORIZE, False),
    _flag(Key.SAMPLED_AVAILABLE, True, Mutability.READ_ONLY),
    _flag(Key.SAMPLED_ENABLED, True),
    _members(Key.SAMPLED_TX_STARTED_MEASURANDS, _REGISTERS, MEASURANDS),
    _members(Key.SAMPLED_TX_UPDATED_MEASURANDS, _USUAL, MEASURANDS),
    _setting(Key.SAMPLED_TX_UPDATED_INTERVAL, 300, "s", 0, 86_400),
    _members(Key.SAMPLED_TX_ENDED_MEASURANDS, _REGISTERS, MEASURANDS),
    _setting(Key.SAMPLED_TX_ENDED_INTERVAL, 0, "s", 0, 86_400),
    _flag(Key.ALIGNED_AVAILABLE, True, Mutability.READ_ONLY),
    _flag(Key.ALIGNED_ENABLED, True),
    _members(Key.ALIGNED_MEASURANDS, _USUAL, MEASURANDS),
    _setting(Key.ALIGNED_INTERVAL, 900, "s", 0, 86_400),
    _flag(Key.ALIGNED_SEND_DURING_IDLE, False),
    _members(Key.ALIGNED_TX_ENDED_MEASURANDS, (), MEASURANDS),
    _setting(Key.ALIGNED_TX_ENDED_INTERVAL, 0, "s", 0, 86_400),
    Row(Key.DATE_TIME, Data.DATE_TIME, live=True),
    Row(
        Key.TIME_SOURCE,
        Data.SEQUENCE_LIST,
        TimeSource.HEARTBEAT,
        values=tuple(TimeSource),
        mutability=_RW,
        filled=True,
    ),
    Row(Key.TIME_ZONE, Data.STRING, "", high=64, mutability=_RW),
    _fact(Key.ITEMS_GET_REPORT, 20),
    _fact(Key.ITEMS_GET_VARIABLES, 50),
    _fact(Key.ITEMS_SET_VARIABLES, 50),
    _fact(Key.BYTES_GET_REPORT, 65_536),
    _fact(Key.BYTES_GET_VARIABLES, 65_536),
    _fact(Key.BYTES_SET_VARIABLES, 65_536),
    _fact(Key.CONFIGURATION_VALUE_SIZE, LONGEST_SETTING),
    _fact(Key.REPORTING_VALUE_SIZE, LONGEST_REPORTED),
    _fact(Key.SECURITY_PROFILE, 0),
    _text(Key.IDENTITY),
    Row(Key.BASIC_AUTH_PASSWORD, Data.STRING, low=16, high=40, mutability=Mutability.WRITE_ONLY),
    Row(Key.ORGANIZATION_NAME, Data.STRING, "", high=64, mutability=_RW),
    _fact(Key.CERTIFICATE_ENTRIES, 0, high=MOST_ENTRIES, live=True),
    _flag(Key.ADDITIONAL_ROOT_CERTIFICATE_CHECK, True, Mutability.READ_ONLY),
    _flag(Key.SMART_AVAILABLE, True, Mutability.READ_ONLY),
    _fact(Key.SMART_ENTRIES, 0, high=200, live=True),
    Row(Key.SMART_LIMIT_CHANGE_SIGNIFICANCE, Data.DECIMAL, "1.0", "Percent", 0, 100, mutability=_RW),
    _flag(Key.SMART_NOTIFY_WITH_SCHEDULES, False),
    _fact(Key.SMART_PERIODS_PER_SCHEDULE, 1024),
    _fact(Key.SMART_PROFILE_STACK_LEVEL, 99),
    Row(Key.SMART_RATE_UNIT, Data.MEMBER_LIST, ",".join(ChargingRateUnit), values=tuple(ChargingRateUnit)),
    # OCPP 2.1's; 2.0.1 has no such profiles, nor words for how long they are kept (K01.FR.55)
    _flag(Key.SMART_DYNAMIC_PROFILES, True, Mutability.READ_ONLY),
    _flag(Key.SMART_MAX_OFFLINE_DURATION, True, Mutability.READ_ONLY),
    _flag(Key.SMART_KEEPS_TX_PROFILES, True, Mutability.READ_ONLY),
    _flag(Key.SMART_KEEPS_CONSTRAINTS, True, Mutability.READ_ONLY),
)


def _balancing(key: Key, default: str = "") -> Row:
    return Row(key, Data.DECIMAL, default, "W", -1_000_000, 1_000_000, mutability=_RW, scope=Scope.EVSE)


#: ... and of a station whose site has a grid meter by which it balances the load (OCPP 2.1, Q09). A threshold that the
#: site does not suggest has no value until it is set.
TABLE_WITH_METER: tuple[Row, ...] = (
    *TABLE,
    _balancing(Key.BALANCING_UPPER_THRESHOLD),
    _balancing(Key.BALANCING_LOWER_THRESHOLD),
    _balancing(Key.BALANCING_UPPER_OFFSET, "0"),
    _balancing(Key.BALANCING_LOWER_OFFSET, "0"),
)


#: Who reacts to what can be set, a column of the table by itself, as many rows share a module.
_READ_BY: Mapping[str, tuple[Key, ...]] = {
    "gateway.stations": (
        Key.RETRY_BACK_OFF_WAIT_MINIMUM,
        Key.RETRY_BACK_OFF_RANDOM_RANGE,
        Key.RETRY_BACK_OFF_REPEAT_TIMES,
    ),
    "station.authorization_block": (
        Key.AUTH_ENABLED,
        Key.LOCAL_AUTHORIZE_OFFLINE,
        Key.LOCAL_PRE_AUTHORIZE,
        Key.OFFLINE_TX_FOR_UNKNOWN_ID,
        Key.MASTER_PASS_GROUP_ID,
        Key.DISABLE_REMOTE_AUTHORIZATION,
        Key.AUTH_CACHE_ENABLED,
        Key.AUTH_CACHE_LIFE_TIME,
        Key.AUTH_CACHE_DISABLE_POST_AUTHORIZE,
        Key.STOP_TX_ON_INVALID_ID,
        Key.MAX_ENERGY_ON_INVALID_ID,
    ),
    "station.dispatch": (Key.AUTHORIZE_REMOTE_START,),
    "station.external_notices": (Key.SMART_LIMIT_CHANGE_SIGNIFICANCE, Key.SMART_NOTIFY_WITH_SCHEDULES),
    "station.meter_values": (
        Key.SAMPLED_ENABLED,
        Key.SAMPLED_TX_STARTED_MEASURANDS,
        Key.SAMPLED_TX_UPDATED_MEASURANDS,
        Key.SAMPLED_TX_UPDATED_INTERVAL,
        Key.SAMPLED_TX_ENDED_MEASURANDS,
        Key.SAMPLED_TX_ENDED_INTERVAL,
        Key.ALIGNED_ENABLED,
        Key.ALIGNED_MEASURANDS,
        Key.ALIGNED_INTERVAL,
        Key.ALIGNED_SEND_DURING_IDLE,
        Key.ALIGNED_TX_ENDED_MEASURANDS,
        Key.ALIGNED_TX_ENDED_INTERVAL,
        Key.TIME_ZONE,
    ),
    "station.network": (
        Key.NETWORK_CONFIGURATION_PRIORITY,
        Key.NETWORK_PROFILE_CONNECTION_ATTEMPTS,
        Key.WEB_SOCKET_PING_INTERVAL,
        Key.BASIC_AUTH_PASSWORD,
    ),
    "station.sessions": (
        Key.EV_CONNECTION_TIME_OUT,
        Key.STOP_TX_ON_EV_SIDE_DISCONNECT,
        Key.TX_START_POINT,
        Key.TX_STOP_POINT,
    ),
    "station.station": (
        Key.HEARTBEAT_INTERVAL,
        Key.MESSAGE_ATTEMPTS,
        Key.MESSAGE_ATTEMPT_INTERVAL,
        Key.OFFLINE_THRESHOLD,
        Key.QUEUE_ALL_MESSAGES,
    ),
    "station.targets": tuple(key for key in Key if key.startswith("EVSE.Target")),
    "station.v2x_variables": (
        Key.BIDIRECTIONAL_ENABLED,
        Key.BALANCING_UPPER_THRESHOLD,
        Key.BALANCING_LOWER_THRESHOLD,
        Key.BALANCING_UPPER_OFFSET,
        Key.BALANCING_LOWER_OFFSET,
    ),
    "station.wishes": (Key.EVSE_HANDS_OFF,),
}
#: What can be set without anybody who reacts, and why that is no pretence.
NOTHING_TO_DO: Mapping[Key, str] = {
    Key.RESET_RETRIES: "nobody: a restart of the station does not fail",
    Key.AUTH_CACHE_POLICY: "nobody: it has one choice",
    Key.TIME_SOURCE: "nobody: it has one choice",
    Key.ORGANIZATION_NAME: "nobody yet: it is for client certificates, which are for security profile 3",
}
_REACTS: Mapping[Key, str] = {key: module for module, keys in _READ_BY.items() for key in keys} | dict(NOTHING_TO_DO)
