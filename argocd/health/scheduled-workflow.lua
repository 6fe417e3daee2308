-- A recurring run: switched off, or waiting for its next time.
if (obj.spec or {}).enabled == false then return {status = "Suspended", message = "switched off"} end
for _, condition in ipairs((obj.status or {}).conditions or {}) do
  if condition.type == "Error" and condition.status == "True" then
    return {status = "Degraded", message = condition.message or condition.reason or "error"}
  end
end
return {status = "Healthy", message = "scheduled"}
