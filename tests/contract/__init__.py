"""What every chat platform must do. An adapter passes this by a `Rig`, and by no test of its own.

    class TestSlack(AdapterContract):
        @pytest.fixture
        async def rig(self): ...  # started, and stopped at the end

The clauses stand in the modules beside this one, a class for each story. They speak only the core's
language; `rig` says what a rig is.
"""

from __future__ import annotations

import pytest

from tests.contract.connections import Connections
from tests.contract.hearing import Hearing
from tests.contract.rig import Ability, Rig, Room
from tests.contract.speaking import Speaking
from tests.contract.talk import saying
from tests.contract.telling import Telling
from tests.contract.trouble import Trouble
from tests.contract.votes import Votes

__all__ = ["Ability", "AdapterContract", "Rig", "Room", "saying"]


# The last is collected first: in this order people speak before anything goes wrong.
class AdapterContract(Connections, Trouble, Telling, Speaking, Votes, Hearing):
    @pytest.fixture(autouse=True)
    def no_mistakes(self, rig: Rig):
        """Whatever a clause does, the platform refuses nothing as malformed, and knows it all."""
        yield
        assert rig.mistakes == []
