from hypothesis import HealthCheck, settings

settings.register_profile(
    "thorough",
    max_examples=4000,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
