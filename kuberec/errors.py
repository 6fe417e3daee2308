"""What can go wrong, as one small tree.

    KuberecError             every error a caller may want to show without a traceback
    ├── SourceError          a source cannot be read: missing, empty, unreachable, wrong checksum, wrong format
    ├── ConfigError          a setting is unknown, mistyped or out of range
    ├── DataError            the data breaks a rule: too many bad rows, too little data, a leak
    ├── ArtifactError        an artifact folder is absent, incomplete or was changed after it was written
    ├── ModelError           a model cannot do what was asked: unknown family, wrong shape, not finite
    ├── ServingError         the model server or the model repository refuses
    └── PromotionError       the Git remote, or the file there that says what is served, refuses

The message says what was expected, what came, and what to do.
"""


class KuberecError(Exception):
    """Base of all of Kuberec's own errors; `exit_code` is what the command line returns for it."""

    exit_code = 1


class SourceError(KuberecError):
    """A data source cannot be read."""

    exit_code = 3


class ConfigError(KuberecError):
    """A setting is unknown, mistyped or out of range."""

    exit_code = 2


class DataError(KuberecError):
    """The data breaks a rule that the step cannot mend."""

    exit_code = 4


class ArtifactError(KuberecError):
    """An artifact folder is absent, incomplete or was changed."""

    exit_code = 5


class ModelError(KuberecError):
    """A model cannot do what was asked of it."""

    exit_code = 6


class ServingError(KuberecError):
    """The model server or the model repository refuses."""

    exit_code = 7


class PromotionError(KuberecError):
    """The Git remote, or the file there that says what is served, refuses."""

    exit_code = 8
