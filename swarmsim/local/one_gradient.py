"""The arguments of methods that take one gradient between two exchanges, and combine models with W or (I + W) / 2."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from swarmsim.local.sharing import exchange
from swarmsim.local.weighting import Weighted, of_awake
from swarmsim.network.located import Located
from swarmsim.types import Tick

__all__ = ["Corrected", "Lazy", "OneGradient"]


class OneGradient(Weighted):
    """A method whose round takes the gradient of one batch at each institution; it makes the step itself."""

    local_steps: Literal[1] = Field(1, description="one gradient between two exchanges")
    local_epochs: None = Field(None, description="one gradient between two exchanges, no epochs")
    optimizer: Literal["sgd"] = Field("sgd", description="the method makes its own step along the gradient")

    def stepped(self, step: Callable, tick: Tick, world: Any, members: Located) -> Located:
        """`step(member, gradient [d], its weights)` of everybody awake; in those weights BatchNorm's statistics moved.

        g_i = n p_i grad f_i(x_i; batch), with clipping and weight decay. Who sleeps stays as it was.
        """
        awake = world.institutions.only(tick.awake(world.institutions.members))
        found = world.slopes(members["weights"], tick, awake)
        return of_awake(step, tick, world, members, self.weighed(found[0], awake, world), found[1])


class Corrected(OneGradient):
    """A method that reaches the optimum itself with a constant learning rate, by a correction of the gradient."""

    corrects: ClassVar[bool] = True  # rightly only where columns of W sum to 1 in every round

    @model_validator(mode="after")
    def _without_momentum(self) -> Self:
        if self.momentum:
            raise ValueError(
                f"momentum: {self.momentum} would be ignored, since the step is along the corrected gradient; leave it "
                "out, or use swarm/quasi_global or swarm/dpsgd"
            )
        return self


class Lazy(Corrected):
    """A corrected method that combines with W, or with (I + W) / 2, whose eigenvalues are never negative."""

    lazy: bool

    def requirements(self) -> tuple[str, ...]:
        return self.needs if self.lazy else (*self.needs, "lambda_min", "static")

    def combined(self, tick: Tick, world: Any, weights: Located) -> Located:
        """The weights after X <- W X, or X <- (X + W X) / 2; BatchNorm's statistics are mixed by W in both cases."""
        everyone = world.institutions
        mixed = exchange(
            lambda values, kind: world.net.mix(values, tick, everyone, kind),
            weights, weights, everyone, self.shared(world.learner.network),
        )  # fmt: skip
        if not self.lazy:
            return mixed
        return everyone.map(lambda w, own: {**w, "params": (w["params"] + own["params"]) / 2}, mixed, weights)
