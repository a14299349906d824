from tests.training.played import note

_, play = note("halves")
assert play["halves"], "it breaks"
