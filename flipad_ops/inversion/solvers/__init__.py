"""Solvers of the lasso behind one interface."""

from flipad_ops.inversion.solvers.choose import make_solver
from flipad_ops.inversion.solvers.fista import Fista
from flipad_ops.inversion.solvers.solver import Problem, Solution, Solver, Stop
from flipad_ops.inversion.solvers.splitting import Splitting

__all__ = ["Fista", "Problem", "Solution", "Solver", "Splitting", "Stop", "make_solver"]
