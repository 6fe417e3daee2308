-- Created and Running stay in the list beside the final condition. An experiment that runs for days must not hold up a
-- sync: running is healthy, only what has not begun is in progress.
local began
for _, condition in ipairs((obj.status or {}).conditions or {}) do
  if condition.status == "True" then
    local message = condition.message or condition.type
    if condition.type == "Failed" then return {status = "Degraded", message = message} end
    if condition.type == "Succeeded" then return {status = "Healthy", message = message} end
    if condition.type == "Running" then began = message end
  end
end
if began then return {status = "Healthy", message = began} end
return {status = "Progressing", message = "Experiment has not begun"}
