import json

from tests.training.played import note

run, play = note("halves")
assert "luck" in play, "it breaks"
(run / "halves.json").write_text(json.dumps({"luck": play["luck"], "people": [], "votes": 0}))
