"""The client as a distribution of its own, for applications that only ask: `pip install ./client`.

It holds `kuberec.client` and the errors, and needs gRPC alone. The distribution `kuberec` holds the same files, so an
environment needs one or the other.
"""

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildClient(build_py):
    """Builds what the client needs of the package `kuberec`, without the package's own module."""

    def find_modules(self) -> list[tuple[str, str, str]]:
        """Single modules, without the `kuberec/__init__.py` that setuptools adds: it stands for the whole library."""
        return [found for found in super().find_modules() if found[1] != "__init__"]


setup(
    name="kuberec-client",
    version="0.1.0",
    description="Asks Kuberec's model server, or TensorFlow Serving, for recommendations",
    python_requires=">=3.11",
    package_dir={"kuberec": "../kuberec"},
    packages=["kuberec.client"],
    py_modules=["kuberec.errors"],
    install_requires=["grpcio>=1.70"],
    cmdclass={"build_py": BuildClient},
)
