-- A final condition wins over spec.suspend: a finished TrainJob may be suspended too.
for _, condition in ipairs((obj.status or {}).conditions or {}) do
  if condition.status == "True" then
    local message = condition.message or condition.reason or condition.type
    if condition.type == "Failed" then return {status = "Degraded", message = message} end
    if condition.type == "Complete" then return {status = "Healthy", message = message} end
  end
end
if (obj.spec or {}).suspend then return {status = "Suspended", message = "TrainJob is suspended"} end
return {status = "Progressing", message = "TrainJob has not finished"}
