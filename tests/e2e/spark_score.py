"""Score a folder of files by `mlflow.pyfunc.spark_udf` on a local Spark; rows as JSON on stdout.

`python -m tests.e2e.spark_score FOLDER MODEL` in a process of its own: its end is the JVM's.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path


def main(folder: str, model: str) -> None:
    warnings.simplefilter("ignore")
    import mlflow
    from pyspark.sql import SparkSession

    settings = {
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.log.level": "ERROR",
        "spark.ui.showConsoleProgress": "false",
    }
    spark = SparkSession.builder.master("local[1]").config(map=settings).getOrCreate()
    files = sorted(Path(folder).iterdir())
    rows = [(file.name, bytearray(file.read_bytes())) for file in files]
    frame = spark.createDataFrame(rows, "name string, image binary")
    # What an owner would write: no result type, only what differs from the defaults.
    score = mlflow.pyfunc.spark_udf(
        spark, model, env_manager="local", params={"refuse_unreadable": False}
    )
    found = frame.select("name", score("image").alias("found")).select("name", "found.*")
    json.dump({row["name"]: row.asDict() for row in found.collect()}, sys.stdout)
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
