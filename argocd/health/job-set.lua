-- Finished, failed, suspended, or at work.
for _, condition in ipairs((obj.status or {}).conditions or {}) do
  if condition.status == "True" then
    local message = condition.message or condition.reason or condition.type
    if condition.type == "Failed" then return {status = "Degraded", message = message} end
    if condition.type == "Completed" then return {status = "Healthy", message = message} end
  end
end
if (obj.spec or {}).suspend then return {status = "Suspended", message = "JobSet is suspended"} end
return {status = "Progressing", message = "JobSet has not finished"}
