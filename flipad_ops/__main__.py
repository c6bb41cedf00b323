"""`python -m flipad_ops` is `flipadops`."""

from flipad_ops.common.child_process import end_with_parent

end_with_parent()

from flipad_ops.cli.main import main  # noqa: E402

main()
