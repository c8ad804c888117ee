#!/bin/sh
# Makes the namespace and registers the search attributes that releases are found by. May run again at any time.
set -eu

attributes='SluiceTask SluiceEnvironment SluiceStage SluiceState SluiceRisk SluiceRelease SluiceCandidate'
attempts=30

until temporal operator cluster health --address "$TEMPORAL_ADDRESS"; do
  attempts=$((attempts - 1))
  if [ "$attempts" -eq 0 ]; then
    echo "Temporal at $TEMPORAL_ADDRESS does not get healthy." >&2
    exit 1
  fi
  sleep 2
done

temporal operator namespace describe --namespace "$SLUICE_NAMESPACE" --address "$TEMPORAL_ADDRESS" >/dev/null 2>&1 ||
  temporal operator namespace create --namespace "$SLUICE_NAMESPACE" --address "$TEMPORAL_ADDRESS" --retention 30d

known=$(temporal operator search-attribute list --namespace "$SLUICE_NAMESPACE" --address "$TEMPORAL_ADDRESS")
for attribute in $attributes; do
  case "$known" in
    *"$attribute"*) ;;
    *)
      temporal operator search-attribute create --namespace "$SLUICE_NAMESPACE" --address "$TEMPORAL_ADDRESS" \
        --name "$attribute" --type Keyword
      ;;
  esac
done
