"""What a config says about the metrics."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from rdma_dp.config.types import ConfigModel, WholeNumber, enum, one_of


class CountersLevel(StrEnum):
    """Which counters of ports the metrics have."""

    NONE = "none"
    TROUBLE = "trouble"  # traffic, errors and congestion
    ALL = "all"


class PodMetrics(StrEnum):
    """What the metrics have about pods."""

    NONE = "none"
    ALLOCATIONS = "allocations"
    QUEUE_PAIRS = "queuePairs"


class MetricsSettings(ConfigModel):
    """What the metrics have beside the state of the daemon. --metrics serves them."""

    counters: Annotated[CountersLevel, one_of(CountersLevel), enum(CountersLevel)] = Field(
        default=CountersLevel.TROUBLE,
        description="Which counters of the ports of shared HCAs are read. none: no counter. "
        "trouble: those that show traffic, errors and congestion, under the same names for all "
        "drivers. all: also the other counters of the driver, under their own names. Each reading "
        "is a few commands to the firmware of the adapter.",
        examples=["all"],
    )
    min_interval: WholeNumber = Field(
        default=15,
        ge=1,
        le=86400,
        description="Seconds between two readings, at least. A scrape starts a reading if the last "
        "one is older; otherwise it shows the values of the last one.",
        examples=[15],
    )
    pods: Annotated[PodMetrics, one_of(PodMetrics), enum(PodMetrics)] = Field(
        default=PodMetrics.NONE,
        description="What the metrics have about pods. none: nothing. allocations: the slots of "
        "each pod, from kubelet's pod-resources socket. queuePairs: also the queue pairs of each "
        "pod.",
        examples=["allocations"],
    )
