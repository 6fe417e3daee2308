-- Argo CD dropped this check in 1.8; without it a wave does not wait for the applications in it.
local health = (obj.status or {}).health or {}
return {status = health.status or "Progressing", message = health.message or ""}
