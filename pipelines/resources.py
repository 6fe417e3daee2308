"""What a step may use on a cluster, and how it survives there."""

from typing import Any

from kfp import dsl

ACCELERATOR = "nvidia.com/gpu"
RETRIES = 2
BACKOFF = "30s"


def resources(task: dsl.PipelineTask, *, cpu: str, memory: str, accelerators: Any = None) -> None:
    """Set a step's share of a machine, let it outlive an evicted pod, and let its result be cached.

    Args:
        task: The step.
        cpu: Cores, requested and granted.
        memory: Memory, requested and granted; a step above it is killed.
        accelerators: Number of GPUs, a constant or a pipeline parameter; None for a step that has no use for one.
    """
    task.set_cpu_request(cpu).set_cpu_limit(cpu).set_memory_request(memory).set_memory_limit(memory)
    task.set_retry(num_retries=RETRIES, backoff_duration=BACKOFF)
    task.set_caching_options(enable_caching=True)
    if accelerators is not None:
        task.set_accelerator_type(ACCELERATOR).set_accelerator_limit(accelerators)
