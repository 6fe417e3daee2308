-- The stop annotation, then ready replicas, then the reason of the wait.
if (obj.metadata.annotations or {})["kubeflow-resource-stopped"] then
  return {status = "Suspended", message = "Notebook is stopped"}
end
local status = obj.status or {}
if (status.readyReplicas or 0) >= 1 then return {status = "Healthy", message = "Ready"} end
local reason = ((status.containerState or {}).waiting or {}).reason
if reason == "CrashLoopBackOff" or reason == "ImagePullBackOff" or reason == "ErrImagePull" then
  return {status = "Degraded", message = reason}
end
return {status = "Progressing", message = reason or "Notebook is starting"}
