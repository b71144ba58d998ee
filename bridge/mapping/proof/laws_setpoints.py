"""Laws about setpoints: energy can always be stopped (7), and what is ordered can be reached and stays so (8)."""

from __future__ import annotations

from typing import Final

from bridge.mapping.proof import laws_setpoints_goal, laws_setpoints_safety
from bridge.mapping.proof.finding import Law

LAWS: Final[tuple[Law, ...]] = (*laws_setpoints_safety.LAWS, *laws_setpoints_goal.LAWS)
