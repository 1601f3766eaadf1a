"""A card's life with Panvault, and the check of a webhook. Python 3.9 or later, nothing else."""

import base64
import hashlib
import hmac
import json
import os
import time
import urllib.error
import urllib.request
import uuid

URL = os.environ["PANVAULT"]
KEY = os.environ["KEY"]
ORGANISATION = os.environ["ORGANISATION"]
ACCOUNT = os.environ["ACCOUNT"]


def call(method, path, body=None):
    """The status and the JSON that came. What creates or acts bears a key, so that it may be sent again and is done once."""
    headers = {"X-APIKEY": KEY, "Content-Type": "application/json"}
    if method == "POST":
        headers["Idempotency-Key"] = str(uuid.uuid4())
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(URL + path, data=data, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=40) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def done(method, path, body=None):
    """The same, of what has to succeed."""
    status, answer = call(method, path, body)
    if status != 200:
        raise SystemExit(f"{method} {path}: {status}, code {answer['code']}: {answer['message']} {answer.get('details', {})}")
    return answer


def pay(card, amount, **more):
    return {"account": ACCOUNT, "card": card, "amount": amount, **more}


def when(path, status):
    """Reads until the status is reached. A shop waits for a webhook instead."""
    for _ in range(150):
        found = done("GET", path)
        if found["status"] == status:
            return found
        time.sleep(0.2)
    raise SystemExit(f"{path} is still {found['status']}")


def text(value):
    return json.dumps(value)


def is_genuine(secret, headers, body, now):
    """Standard Webhooks: one of the signatures is that of id, time and body, and the time is no more than 5 minutes off."""
    if abs(now - int(headers["webhook-timestamp"])) > 300:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return any(hmac.compare_digest(expected, one) for one in headers["webhook-signature"].split(" "))


# Step 1 and 2: post the card once, keep its token.
number = {"card_number": "4111111111111111", "cvv": "111", "expiry_month": "12", "expiry_year": "35"}
card = done("POST", "/v1/card", {**number, "organisation": ORGANISATION})
token = card["_id"]
print(f"card: {card['brand']} {card['masked_card_number']}, CVV held: {text(card['cvv_present'])}")

# Step 3: pay with the token. The CVV goes along once.
paid = done("POST", "/v1/transaction", pay(token, 1000))
print(f"paid: {paid['status']}, with CVV: {text(paid['cvv_present'])}")
paid = done("POST", "/v1/transaction", pay(token, 1000))
print(f"paid again: {paid['status']}, with CVV: {text(paid['cvv_present'])}")

# Reusing the id: put a CVV back.
updated = done("POST", f"/v1/card/{token}", {"cvv": "111", "organisation": ORGANISATION})
print(f"CVV put back, the same token: {text(updated['_id'] == token and updated['cvv_present'])}")
paid = done("POST", "/v1/transaction", pay(token, 1000))
print(f"paid once more: {paid['status']}, with CVV: {text(paid['cvv_present'])}")

# What goes wrong has a code, and a transaction that was made all the same is in its details.
_, answer = call("POST", "/v1/transaction", pay(token, 1121))
print(f"declined: code {answer['code']}, {answer['details']['status']}")
_, answer = call("POST", "/v1/card", {**number, "card_number": "4111111111111112", "organisation": ORGANISATION})
print(f"refused before anything was sent: code {answer['code']}")

# Reserve, capture a part, and give back a part of that once it is settled.
reserved = done("POST", "/v1/transaction", pay(token, 1000, capture_now=False))
path = f"/v1/transaction/{reserved['_id']}"
print(f"reserved: {reserved['status']}")
captured = done("POST", f"{path}/capture", {"amount": 600})
print(f"captured: {captured['captured_amount']} of {captured['amount']}")
print(f"settled: {when(path, 'SETTLEMENT_COMPLETED')['status']}")
refund = done("POST", f"{path}/refund", {"amount": 250})
print(f"refund of {refund['amount']}: {refund['status']}")
refund = when(f"/v1/refund/{refund['_id']}", "PROCESSED")
print(f"refund of {refund['amount']}: {refund['status']}")

# Which way money is given back is chosen by the status.
reserved = done("POST", "/v1/transaction", pay(token, 500, capture_now=False))
ways = {"AUTHORIZED": "void", "SETTLEMENT_REQUESTED": "void_capture", "SETTLEMENT_COMPLETED": "refund"}
path = f"/v1/transaction/{reserved['_id']}"
way = ways[done("GET", path)["status"]]
print(f"given back by {way}: {done('POST', f'{path}/{way}')['status']}")

# What a receiver does with each webhook, before it reads the body.
received = {name: os.environ[name.upper().replace("-", "_")] for name in ("webhook-id", "webhook-timestamp", "webhook-signature")}
body = os.environ["WEBHOOK_BODY"].encode()
for words, sent in (("webhook", body), ("webhook with another body", body + b" ")):
    genuine = is_genuine(os.environ["WEBHOOK_SECRET"], received, sent, time.time())
    print(f"{words}: {'genuine' if genuine else 'not genuine'}")
