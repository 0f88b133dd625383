"""Make the protobuf and gRPC stubs anew, in an environment of their own.

The generator is older than the runtime on purpose: its output loads on every newer runtime, and
the generator cannot be installed beside it.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GENERATOR = "grpcio-tools==1.71.2"


def main() -> int:
    """Generate beside the sources; return the generator's exit code."""
    sources = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "proto").rglob("*.proto"))
    command = [
        "uv",
        "run",
        "--no-project",
        "--with",
        GENERATOR,
        "--with",
        "setuptools<81",
        "python",
    ]
    command += ["-m", "grpc_tools.protoc", "-I", "proto"]
    command += ["--python_out=proto", "--pyi_out=proto", "--grpc_python_out=proto", *sources]
    return subprocess.run(command, cwd=ROOT, check=False).returncode  # noqa: S603 - built above


if __name__ == "__main__":
    sys.exit(main())
