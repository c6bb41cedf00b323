"""Solvers of the lasso behind one interface."""

from flipad_ops.inversion.solvers.base import Problem, Solution, Solver, Stop
from flipad_ops.inversion.solvers.fista import Fista

__all__ = ["Fista", "Problem", "Solution", "Solver", "Stop"]
