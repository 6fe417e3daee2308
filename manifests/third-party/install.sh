#!/usr/bin/env bash
# Install what Kuberec stands on, in order; each step waits until the one before it answers. Run again, it changes nothing.
# Names of folders beside this file install these alone: install.sh cert-manager trainer
set -euo pipefail

here=$(dirname "$(readlink -f "$0")")
steps=(
  cert-manager:cert-manager
  gateway:envoy-gateway-system
  monitoring:monitoring
  pipelines-cluster:kubeflow
  trainer:kubeflow-system
  pipelines:kubeflow
  katib:kubeflow
  notebooks:kubeflow
)

install() {
  local name=$1 namespace=$2 rendered
  echo "== $name"
  rendered=$(mktemp)
  kubectl kustomize --enable-helm "$here/$name" > "$rendered"
  kubectl get namespace "$namespace" > /dev/null 2>&1 || kubectl create namespace "$namespace"
  # CRDs first: a folder may hold resources of the kinds that it defines. Server-side: some CRDs outgrow an annotation.
  awk -v RS='---\n' -v ORS='---\n' '/(^|\n)kind: CustomResourceDefinition\n/' "$rendered" > "$rendered.crds"
  if [ -s "$rendered.crds" ]; then
    kubectl apply --server-side --force-conflicts -f "$rendered.crds"
    kubectl wait --for=condition=Established -f "$rendered.crds" --timeout=120s
  fi
  kubectl apply --server-side --force-conflicts -f "$rendered"
  # A webhook that does not answer yet refuses what comes next.
  kubectl -n "$namespace" wait --for=condition=Available deployment --all --timeout=600s
  rm "$rendered" "$rendered.crds"
}

for step in "${steps[@]}"; do
  if [ $# -eq 0 ] || [[ " $* " == *" ${step%%:*} "* ]]; then
    install "${step%%:*}" "${step##*:}"
  fi
done
