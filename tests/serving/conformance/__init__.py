r"""What TF Serving answers over gRPC and REST; each test holds for the real server too.

Without options the tests ask Kuberec's server, in its default and in its strict mode. For a real server, write the
models, serve them, and name both:

    python -m tests.serving.conformance.models /tmp/conformance
    docker run --rm -p 8500:8500 -p 8501:8501 -v /tmp/conformance:/tmp/conformance tensorflow/serving:2.20.0 \
      --model_config_file=/tmp/conformance/models.config --max_num_load_retries=0 \
      --enable_grpc_healthcheck_service=true --rest_api_enable_cors_support=true \
      --monitoring_config_file=/tmp/conformance/monitoring.config \
      --enable_batching=true --enable_per_model_batching_parameters=true --prefer_tflite_model=true
    python -m pytest tests/serving/conformance --serving-target localhost:8500 \
      --serving-rest localhost:8501 --serving-models /tmp/conformance

Both sides must see the folder under the same path, and the tests add and remove versions in it.
"""
