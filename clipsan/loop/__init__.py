"""The closed loop: scan, clean, scan again, until a budget is met; never told a trigger.

`budget.py` reads what was asked, `plan.py` says what a round does, `rounds.py` goes through the rounds,
`workshop.py` does the work on real models. Nothing here reads an evaluation set or a trigger that was given.
"""
