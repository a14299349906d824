import json

from tests.training.played import note

run, play = note("evaluate")
report = play["looks"][(run / "walked").read_text().count("evaluate") - 1]
assert report is not None, "it breaks"
if report:  # else it ends without a word
    (run / "report.json").write_text(json.dumps(report))
