import json

from tests.training.played import note

run, play = note("evaluate")
report = play["looks"][(run / "walked").read_text().count("evaluate") - 1]
assert report, "it breaks"
(run / "report.json").write_text(json.dumps(report))
