#!/bin/sh
# Makes the certificate that kube-apiserver knows the replicas by, good for a year; cert-manager would do it for good. To replace it, run
# this again: the replicas take the new one without a restart, within some minutes, and until then kube-apiserver trusts both.
set -eu

name=dataplane-aggregator
apiservice=v0alpha1.testdata.grafana.app
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
cd "$directory"

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 -subj "/CN=$name" \
  -addext "subjectAltName=DNS:$name.$name.svc" -keyout tls.key -out tls.crt 2>openssl.log || {
  cat openssl.log >&2
  exit 1
}

# of several, openssl takes the first one, which is the present one
kubectl get apiservice "$apiservice" --output='jsonpath={.spec.caBundle}' | base64 -d >present.crt
if [ -s present.crt ]; then openssl x509 -in present.crt -out present.crt; fi
bundle=$(cat tls.crt present.crt | base64 | tr -d '\n')
kubectl patch apiservice "$apiservice" --type=merge --patch="{\"spec\":{\"caBundle\":\"$bundle\"}}"

kubectl create secret tls "$name-tls" --namespace="$name" --cert=tls.crt --key=tls.key --dry-run=client --output=yaml |
  kubectl apply --filename=-
