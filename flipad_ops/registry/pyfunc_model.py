"""What MLflow stores as the code of an attributor (models-from-code): no pickle, only a name.

MLflow copies this file into the logged model and runs it on loading; the work is done by the
installed package, so that two attributors in one process never clash over copied modules.
"""

from mlflow.models import set_model

from flipad_ops.registry.pyfunc import AttributorModel

set_model(AttributorModel())
