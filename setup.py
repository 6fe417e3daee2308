"""The distribution of Kuberec: the library, the model families, the components, the pipelines and the load test.

The client alone is a distribution too: `client/setup.py`.
"""

from pathlib import Path

from setuptools import setup


def packages() -> list[str]:
    """Every folder with an `__init__.py` below the packages that the distribution holds."""
    roots = ("kuberec", "models", "components", "pipelines", "loadtest")
    return sorted(str(init.parent).replace("/", ".") for root in roots for init in Path(root).rglob("__init__.py"))


setup(
    name="kuberec",
    version="0.1.0",
    description="Kubeflow-native ML platform for deep-learning recommenders",
    python_requires=">=3.11,<3.12",
    packages=packages(),
    package_data={"": ["*.yaml", "*.html", "*.md", "*.css"], "loadtest": ["scenarios/*.yaml"]},
    install_requires=[
        "duckdb>=1.4,<1.5",
        "flatbuffers>=24.3",
        "fsspec>=2025.5",
        "grpcio>=1.70",
        "grpcio-health-checking>=1.70",
        "grpcio-reflection>=1.70",
        "ibis-framework[duckdb]>=11",
        "jinja2>=3.1",
        "keras>=3.12",
        "matplotlib>=3.10",
        "numpy>=1.26,<2",
        "pandas>=2.2,<3",
        "pm-implicit>=0.7",
        "psutil>=6",
        "pyarrow>=17,<22",
        "pydantic>=2.10",
        "pyyaml>=6",
        "rich>=14",
        "ruamel.yaml>=0.18",
        "scipy>=1.13",
        "tensorflow==2.20.*",
        "tensorflow-serving-api==2.20.*",
        "threadpoolctl>=3",
        "typer>=0.16",
        "universal-pathlib>=0.3",
    ],
    extras_require={
        "gpu": ["tensorflow[and-cuda]==2.20.*"],
        "pipelines": ["kfp==2.17.0", "kfp-kubernetes==2.17.0"],
        "loadtest": ["hdrhistogram>=0.10", "locust>=2.42"],
        "s3": ["s3fs>=2025.5"],
        "text": ["tensorflow-text==2.20.*"],
        "notebook": ["ipykernel>=7", "ipywidgets>=8", "jupyterlab>=4"],
        "dev": [
            "kfp==2.17.0",
            "kfp-kubernetes==2.17.0",
            "cryptography",
            "flask-cors",
            "hdrhistogram>=0.10",
            "hypothesis",
            "ipykernel>=7",
            "ipywidgets>=8",
            "jax",
            "jsonschema",
            "kubernetes-validate==1.37.0",
            "locust>=2.42",
            "lupa>=2.5",
            "moto[s3]>=5.1",
            "mypy",
            "nbclient",
            "nbstripout",
            "pandas-stubs",
            "pytest",
            "pytest-xdist",
            "rectools>=0.19",
            "ruff",
            "s3fs>=2025.5",
            "types-PyYAML",
            "uv",
            "zizmor",
        ],
    },
    entry_points={"console_scripts": ["kuberec=kuberec.cli:main"]},
)
