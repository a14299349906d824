"""The learning loop: votes become a data set, a tune, a verdict of the gate, and a served model.

Four steps, each a folder in and a folder out: `dataset`, `tune`, `evaluate`, `publish`; two more
may help against a refusal: `halves`, `nearer`. Nothing outside this package imports it but `bots`,
and the heavy libraries (torch, trl, peft ...) are imported only inside functions that run in
processes of their own.
"""
