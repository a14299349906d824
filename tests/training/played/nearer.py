from tests.training.played import note

note("nearer")
