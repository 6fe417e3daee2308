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

# The objects of one kind among those that a file holds.
only() {
  awk -v RS='---\n' -v ORS='---\n' "/(^|\n)kind: $2\n/" "$1"
}

install() {
  local name=$1 namespace=$2 folder
  echo "== $name"
  folder=$(mktemp --directory)
  kubectl kustomize --enable-helm "$here/$name" > "$folder/all.yaml"
  only "$folder/all.yaml" CustomResourceDefinition > "$folder/crds.yaml"
  only "$folder/all.yaml" Deployment > "$folder/deployments.yaml"
  kubectl get namespace "$namespace" > /dev/null 2>&1 || kubectl create namespace "$namespace"
  # CRDs first: a folder may hold resources of the kinds that it defines. Server-side: some CRDs outgrow an annotation.
  if [ -s "$folder/crds.yaml" ]; then
    kubectl apply --server-side --force-conflicts -f "$folder/crds.yaml"
    # kubectl cannot wait for a condition of what has no list of conditions yet; names and conditions come together.
    kubectl wait --for=jsonpath='{.status.acceptedNames.listKind}' -f "$folder/crds.yaml" --timeout=120s
    kubectl wait --for=condition=Established -f "$folder/crds.yaml" --timeout=120s
  fi
  kubectl apply --server-side --force-conflicts -f "$folder/all.yaml"
  # A webhook that does not answer yet refuses what comes next.
  if [ -s "$folder/deployments.yaml" ]; then
    kubectl wait --for=condition=Available -f "$folder/deployments.yaml" --timeout=600s
  fi
  rm -r "$folder"
}

for step in "${steps[@]}"; do
  if [ $# -eq 0 ] || [[ " $* " == *" ${step%%:*} "* ]]; then
    install "${step%%:*}" "${step##*:}"
  fi
done
