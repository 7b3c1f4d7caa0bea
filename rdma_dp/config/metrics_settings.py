"""What a config says about the metrics."""

from typing import Annotated

from pydantic import Field

from rdma_dp.config.node_config import CountersLevel, MetricsSettings, PodMetrics
from rdma_dp.config.types import ConfigModel, Flag, WholeNumber, enum, one_of, values_of


class MetricsSettingsDocument(ConfigModel):
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
    pauses: Flag = Field(
        default=False,
        description="Whether pauses of Ethernet flow control (PFC) are read for each priority, at "
        "most every 30 seconds. They are in the statistics of the netdev: the driver reads some "
        "hundred values for them. Not with counters: none.",
        examples=[True],
    )

    @property
    def value(self) -> MetricsSettings:
        """The settings as values."""
        return MetricsSettings(**values_of(self))
