"""Speed of merganser and its peers: definitions, engines, runner and report.

A benchmark is a case (task x corpus x setting, `definitions.toml`) that every
engine (`engines/`) runs in a process of its own (`worker.py`). The runner
(`run.py`) cuts the inputs, proves the ids equal, takes turns between the
engines and writes `results/`; the report (`report.py`) turns results into the
tables of the READMEs.
"""
