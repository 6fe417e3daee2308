"""The operations of TensorFlow Text, which TF Serving's binary brings along: here, where that package is installed."""

import functools
import importlib.util
import logging

PACKAGE = "tensorflow_text"

log = logging.getLogger(__name__)


@functools.cache
def register_text_ops() -> None:
    """Make the operations known to TensorFlow, once in a process; does nothing without the package."""
    if importlib.util.find_spec(PACKAGE):
        try:
            importlib.import_module(PACKAGE)
        except Exception as error:
            # It may be built for another TensorFlow, in whatever way that shows: models without its operations go on.
            log.warning(
                "Models with operations of TensorFlow Text fail to load: %s cannot be imported: %s", PACKAGE, error
            )
