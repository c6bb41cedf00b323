"""Parts of the scan benchmark: the bucket's content, one measurement, figures and words."""
