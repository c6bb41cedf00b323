"""Tables of samples in a bucket, against a real S3 server: ranges, ledger, versions."""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from flipad_ops.attributor import Attributor
from flipad_ops.columns import Column, Columns
from flipad_ops.errors import TargetError, UsageError
from flipad_ops.fitting import fit_attributor
from flipad_ops.generators import split_generator
from flipad_ops.negatives import ForeignImages
from flipad_ops.scanning.evidence import Evidence
from flipad_ops.scanning.ledger import Ledger
from flipad_ops.scanning.outcome import ScanOutcome
from flipad_ops.scanning.run import ScanRequest, run_scan
from flipad_ops.scanning.scorer import AttributorScorer
from flipad_ops.scanning.targets import S3Access, S3Target, open_target
from flipad_ops.scanning.targets.s3_object import S3Object
from flipad_ops.scanning.targets.table import TableTarget, with_tables
from tests.e2e.s3_server import S3Server, s3_server

pytestmark = pytest.mark.e2e
