"""What a config says about the health of slots."""

from pydantic import Field

from rdma_dp.config.node_config import Health
from rdma_dp.config.types import ConfigModel, Flag, WholeNumber, values_of


class HealthDocument(ConfigModel):
    """When the slots of a resource are Healthy."""

    require_active_port: Flag = Field(
        default=True,
        description="If true, the slots are Healthy only while at least one HCA has an ACTIVE "
        "port. If false, one HCA with its device nodes is enough, as in the Go plugin.",
        examples=[True],
    )
    down_seconds: WholeNumber = Field(
        default=5,
        ge=0,
        le=86400,
        description="Seconds without an ACTIVE port until the slots become Unhealthy, so that a "
        "flapping link does not change the list each time. An ACTIVE port makes them Healthy at "
        "once.",
        examples=[5],
    )

    @property
    def value(self) -> Health:
        """The settings as values."""
        return Health(**values_of(self))
