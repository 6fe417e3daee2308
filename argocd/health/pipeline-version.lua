-- Kubeflow Pipelines refuses a wrong version on admission; a condition that says otherwise is passed on.
for _, condition in ipairs((obj.status or {}).conditions or {}) do
  if condition.status == "False" then
    return {status = "Degraded", message = condition.message or condition.reason or condition.type}
  end
end
return {status = "Healthy", message = "stored"}
