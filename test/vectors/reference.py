"""Answers the vectors beside this file by reading docs/resolution.md plainly, apart from the product's own code.

    python3 reference.py bucket.json | resolve.json     prints a JSON list of answers, one a vector
"""

import json
import re
import sys

MASK = 0xFFFFFFFF


class Refused(Exception):
    """Carries a code of docs/errors.md."""


def murmur3(data: bytes) -> int:
    def rotated(word, by):
        return ((word << by) | (word >> (32 - by))) & MASK

    def scrambled(word):
        return rotated(word * 0xCC9E2D51 & MASK, 15) * 0x1B873593 & MASK

    hashed = 0
    whole = len(data) // 4 * 4
    for start in range(0, whole, 4):
        hashed ^= scrambled(int.from_bytes(data[start : start + 4], "little"))
        hashed = (rotated(hashed, 13) * 5 + 0xE6546B64) & MASK
    if whole < len(data):
        hashed ^= scrambled(int.from_bytes(data[whole:], "little"))
    hashed ^= len(data)
    hashed = (hashed ^ (hashed >> 16)) * 0x85EBCA6B & MASK
    hashed = (hashed ^ (hashed >> 13)) * 0xC2B2AE35 & MASK
    return hashed ^ (hashed >> 16)


def bucket_of(salt, tenant, conversation=None):
    parts = [salt, tenant] if conversation is None else [salt, tenant, conversation]
    return murmur3("\0".join(parts).encode("utf-8")) * 10000 // 2**32


def is_id(text):
    units = len(text.encode("utf-16-le", "surrogatepass")) // 2
    lone = any(0xD800 <= ord(character) <= 0xDFFF for character in text)
    return 1 <= units <= 256 and "\0" not in text and not lone


def parse_binding(text):
    found = re.fullmatch(r"b1\.([1-9][0-9]*)\.(0|[1-9][0-9]*)", text, re.ASCII)
    if not found or any(int(part) > 2**53 - 1 for part in found.groups()):
        raise Refused("malformed_binding")
    return int(found[1]), int(found[2])


def after_revocations(lane, seq, composite):
    """Rule 5: where the composite that was chosen at entry `seq` ends up."""
    moved = False
    for entry in lane.get("olderRevocations", []) + lane["entries"]:
        if composite is not None and entry["seq"] > seq and composite in entry.get("revokes", []):
            composite, moved = entry.get("incumbent"), True
    return composite, moved


def matches(to, tenant, ring):
    return to == "rest" or (to.get("ring") == ring if "ring" in to else tenant in to["tenants"])


def serve(snapshot, lane, entry, state, request):
    tenant_seq = state["seq"] if state else 0
    settings = state["state"]["tasks"].get(lane["task"], {}) if state else {}
    if not settings.get("runs", "supersedes" not in lane):
        return {"skip": "not_subscribed"}
    place = {
        "binding": request.get("binding", "b1.%d.%d" % (entry["seq"], tenant_seq)),
        "seq": entry["seq"],
        "tenantSeq": tenant_seq,
    }

    def answer(seq, composite, arm, reason, slice_index):
        standing, moved = after_revocations(lane, seq, composite)
        if standing is None or standing not in snapshot["composites"]:
            return {"skip": "not_deployed"}
        if moved:
            arm, reason, slice_index = "none", "revoked", -1
        return {"composite": standing, "arm": arm, "reason": reason, "slice": slice_index, **place}

    environment = snapshot["environment"]
    override = settings.get("override", {}).get("pins", {}).get(environment)
    pin = override or settings.get("optOut", {}).get(environment)
    if pin:
        return answer(pin["head"], pin["composite"], "none", "override" if override else "opt_out", -1)
    if "candidate" not in entry:
        return answer(entry["seq"], entry.get("incumbent"), "none", "settled", -1)
    ring = state["state"]["ring"] if state else "general"
    for index, exposed in enumerate(entry["exposure"]):
        if matches(exposed["to"], request["tenant"], ring):
            unit = None if exposed["by"] == "tenant" else request["conversation"]
            taken = bucket_of(entry["salt"], request["tenant"], unit) < exposed["basisPoints"]
            arm = "candidate" if taken else "incumbent"
            return answer(entry["seq"], entry.get(arm), arm, "slice", index)
    return answer(entry["seq"], entry.get("incumbent"), "none", "no_slice", -1)


def newest(entries, moment):
    fitting = [entry for entry in entries if entry["at"] <= moment]
    return fitting[-1] if fitting else None


def resolve_started(snapshot, lane, history, request):
    moment = request.get("startedAt")
    if moment is None:
        raise Refused("start_missing")
    entry = newest(lane["entries"], moment)
    if entry is None:
        return {"skip": "conversation_expired" if lane["entries"][0]["seq"] > 1 else "before_first_entry"}
    state = newest(history, moment)
    if state is None and history and history[0]["seq"] > 1:
        return {"skip": "conversation_expired"}
    return serve(snapshot, lane, entry, state, request)


def resolve_bound(snapshot, lane, history, request):
    seq, tenant_seq = parse_binding(request["binding"])
    head, tenant_head = lane["entries"][-1]["seq"], history[-1]["seq"] if history else 0
    behind = seq > head or tenant_seq > tenant_head
    if behind and not request.get("allowBehind"):
        raise Refused("snapshot_behind")
    by_seq = {entry["seq"]: entry for entry in lane["entries"]}
    states = {entry["seq"]: entry for entry in history}
    seq, tenant_seq = min(seq, head), min(tenant_seq, tenant_head)
    if seq not in by_seq or (tenant_seq > 0 and tenant_seq not in states):
        return {"skip": "conversation_expired"}
    served = serve(snapshot, lane, by_seq[seq], states.get(tenant_seq), request)
    return {**served, "behind": True} if behind and "skip" not in served else served


def resolve(snapshot, request):
    if not is_id(request["tenant"]) or not is_id(request["conversation"]):
        raise Refused("invalid_id")
    lane = snapshot["lanes"].get(request["task"])
    if lane is None:
        raise Refused("unknown_task")
    if not lane["entries"]:
        return {"skip": "not_deployed"}
    if lane["entries"][-1].get("disabled"):
        return {"skip": "disabled"}
    history = snapshot["tenants"].get(request["tenant"], [])
    how = resolve_bound if "binding" in request else resolve_started
    return how(snapshot, lane, history, request)


def answered(snapshot, request):
    try:
        return resolve(snapshot, request)
    except Refused as refused:
        return {"error": str(refused)}


def answers(vectors):
    if "murmur3" in vectors:
        hashes = [murmur3(row["text"].encode("utf-8")) for row in vectors["murmur3"]]
        buckets = [bucket_of(row["salt"], row["tenant"], row.get("conversation")) for row in vectors["buckets"]]
        return hashes + buckets + [is_id(row["id"]) for row in vectors["ids"]]
    return [answered(vectors["snapshots"][row["snapshot"]], row["request"]) for row in vectors["cases"]]


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        print(json.dumps(answers(json.load(file))))
