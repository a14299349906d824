"""The section `training` of config.yaml."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, field_validator

# Of new conversations: of fewer answers core.health could not tell how they go.
LEAST_SHARE = 0.05


class Settings(BaseModel):
    """Whose votes train the model, from how many on, and where the tunes lie."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    platforms: tuple[str, ...] = ("console",)
    at_least: int = Field(10, ge=10)  # fewer labels teach nothing reliable
    folder: str = "data/tunes"
    base: str | None = None  # a model's folder; None: the one that serves
    canary: float = Field(0.2, ge=0, le=0.5)  # of new conversations; 0: a new tune answers all
    golden: str | None = None  # a file of questions that every tune has to go on answering
    retire_at_once: bool = False  # what used something that is forgotten, at /forget
    minutes: float = Field(30, gt=0)  # wall clock of one run, training and checks together

    @field_validator("canary")
    @classmethod
    def _can_be_judged(cls, share: float) -> float:
        if 0 < share < LEAST_SHARE:
            raise ValueError(f"must be 0, or {LEAST_SHARE} to 0.5")
        return share
