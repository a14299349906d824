from tests.training.played import note

run, _ = note("tune")
(run / "candidate").mkdir()
(run / "candidate" / "manifest.json").write_text("{}")
