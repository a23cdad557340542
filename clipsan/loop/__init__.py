"""The closed loop: scan, clean, scan again, until a budget is met; never told a trigger.

`budget.py` reads what was asked, `plan.py` says what a round does, `rounds.py` goes through the rounds, and
`workshop.py` is what it needs done, which `clipsan.runs.workshop` does to real models. Nothing here sees a
trigger that was given.
"""
