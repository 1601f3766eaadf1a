"""Gives generated requests real ids and right card numbers, so that they get past the first look; and two checks of our own.

Only what already has the right form is replaced: a request that is wrong on purpose stays wrong. One value in eight is left as
it was generated, so that unknown ids, wrong check digits and odd texts are sent too.
"""

import os
import re
import zlib

import requests
import schemathesis

URL = os.environ["PANVAULT_URL"]
ORGANISATION = os.environ["PANVAULT_ORGANISATION"]
ACCOUNT = os.environ["PANVAULT_ACCOUNT"]
HEADERS = {"X-APIKEY": os.environ["PANVAULT_API_KEY"]}

ID = re.compile(r"[0-9a-f]{24}")
NUMBERS = {
    12: "501800000009",
    13: "4222222222222",
    14: "30569309025904",
    15: "378282246310005",
    16: "4111111111111111",
}
AMEX = "378282246310005"
THREED = {
    "eci_flag": "05",
    "cavv": "AAABBWcSNIdjeUZThmNHAAAAAAA=",
    "ds_transaction_id": "f25084f0-5b16-4c0a-ae5d-b24808a95e4b",
    "threeds_version": "2.2.0",
}
AMOUNTS = (0, 1, 100, 1121, 1122, 1123, 1131, 1132, 2_147_483_647)


def created(path, body):
    """The id of something that is made for this run."""
    answer = requests.post(URL + path, json=body, headers=HEADERS, timeout=10)
    answer.raise_for_status()
    return answer.json()["_id"]


def card_body():
    return {
        "card_number": NUMBERS[16],
        "expiry_month": "12",
        "expiry_year": "35",
        "cvv": "111",
        "organisation": ORGANISATION,
    }


def transaction_body():
    return {
        "account": ACCOUNT,
        "amount": 100,
        "card": CARD,
        "customer_ip": "192.0.2.1",
        "dynamic_descriptor": "Example",
        "merchant_reference": "first",
        "user_agent": "schemathesis",
    }


def listed(path):
    """The ids of all that stand there."""
    answer = requests.get(URL + path, params={"_limit": 1000}, headers=HEADERS, timeout=10)
    answer.raise_for_status()
    return {document["_id"] for document in answer.json()}


CARD = created("/v1/card", card_body())
CUSTOMER = created("/v1/customer", {"organisation": ORGANISATION, "email_address": "ann@shop.example"})
TRANSACTION = created("/v1/transaction", transaction_body())
OURS = {ORGANISATION, ACCOUNT, CARD, CUSTOMER, TRANSACTION}

# What each operation that changes or ends something is given instead of what the run itself stands on.
SPARE = {
    "Account": ("/v1/account", {"name": "Spare", "currency_code": "EUR"}),
    "ApiKey": ("/v1/apikey", {"name": "Spare", "roles": ["MerchantUser"]}),
    "Card": ("/v1/card", card_body()),
    "Customer": ("/v1/customer", {"organisation": ORGANISATION, "first_name": "Spare"}),
    "Organisation": ("/v1/organisation", {"name": "Spare"}),
    "Processor": ("/v1/processor", {"name": "Spare", "configuration": {"_type": "card_dummy"}}),
}
# The card of the transactions, and every document from before the run. Answers teach the ids of the run's own key, account and
# organisation; with one of them disabled, expired or deleted, all that follows would be answered 401.
STANDING = {CARD, CUSTOMER}.union(*(listed(path) for kind, (path, _) in SPARE.items() if kind not in ("Card", "Customer")))
CHANGES = {f"{verb}{kind}": kind for verb in ("delete", "update", "rotate") for kind in SPARE} | {"updateCard": None}


def kept(value, one_in=8):
    """Whether a value stays as it was generated: always the same for the same value."""
    return zlib.crc32(repr(value).encode()) % one_in == 0


def is_id(value):
    return isinstance(value, str) and ID.fullmatch(value) is not None


def real_body(body):
    # Judged by the whole body: most bodies that are generated hold the same example of an id, and all of them would keep it.
    whole = repr(sorted(body.items(), key=str))
    for name, real in (("organisation", ORGANISATION), ("account", ACCOUNT), ("card", CARD), ("customer", CUSTOMER)):
        if is_id(body.get(name)) and not kept((name, whole)):
            body[name] = real
    number = body.get("card_number")
    if isinstance(number, str) and re.fullmatch(r"[0-9]{12,19}", number) and not kept(number):
        body["card_number"] = NUMBERS.get(len(number), NUMBERS[16])
        if re.fullmatch(r"[0-9]{3,4}", str(body.get("cvv"))):
            body["cvv"] = "1111" if body["card_number"] == AMEX else "111"
    month, year = body.get("expiry_month"), body.get("expiry_year")
    if isinstance(month, str) and isinstance(year, str) and year.isdigit() and len(year) in (2, 4) and not kept(year):
        body["expiry_year"] = "35" if len(year) == 2 else "2035"
    threed = body.get("threed_authentication")
    if isinstance(threed, dict) and not kept(repr(threed)):
        if "cavv" in threed or "ds_transaction_id" in threed:
            threed.setdefault("eci_flag", THREED["eci_flag"])
        threed.update({name: text for name, text in THREED.items() if isinstance(threed.get(name), str)})
    amount = body.get("amount")
    verified = "pares" in body or "threed_authentication" in body
    if isinstance(amount, (int, float)) and not isinstance(amount, bool) and 0 <= amount <= AMOUNTS[-1]:
        # Every answer of the processor is asked for; the rest of the body says which, so that the same body gets the same.
        turn = zlib.crc32(repr(sorted(body.items(), key=str)).encode()) % (len(AMOUNTS) + 1)
        body["amount"] = AMOUNTS[turn] if turn < len(AMOUNTS) else amount
        if verified and body["amount"] == 0:
            body["amount"] = 1


def plain(value):
    """The same without what no schema says and the server refuses: control characters, at any depth."""
    if isinstance(value, dict):
        return {plain(name) or "name": plain(member) for name, member in value.items()}
    if isinstance(value, list):
        return [plain(member) for member in value]
    if isinstance(value, str):
        return "".join(c for c in value if c.isprintable())
    return value


def plausible_body(body):
    """A body that fits the schema, made to fit what lies behind it."""
    if kept(body):
        return body
    body = plain(body)
    for name, text in (
        ("customer_ip", "192.0.2.1"),
        ("card_holder_name", "Ann Lee"),
        ("webhook_transaction_update", "https://shop.example/hook"),
    ):
        if isinstance(body.get(name), str):
            body[name] = text
    return body


def taken(name, value):
    """Whether a value is taken as another, which the schema does not say: `null` and `""`, and what is written as digits or as an integer."""
    if name in ("expiry_month", "expiry_year", "decline_without_cvv"):
        return value in (None, "") or isinstance(value, (int, float)) and not isinstance(value, bool)
    if name == "amount":
        return value in (None, "") or isinstance(value, str) and value.isdigit()
    return value is None or value == ""


def wrong_body(body):
    """A body that is wrong on purpose and stays so."""
    kinds = {name: wrong_body(member) if isinstance(member, dict) else member for name, member in body.items()}
    return {name: [] if taken(name, member) else member for name, member in kinds.items()}


@schemathesis.hook
def before_call(context, case, kwargs):
    name = case.operation.definition.raw.get("operationId", "")
    if case.meta is not None and case.meta.phase.name == "stateful":
        # A repeated key gets the first answer again, also when its card is gone by now; here that would look like a lost card.
        case.headers.pop("Idempotency-Key", None)
    changed = CHANGES.get(name)
    if changed is not None and case.path_parameters.get("id") in STANDING:
        case.path_parameters["id"] = created(*SPARE[changed])
    elif is_id(case.path_parameters.get("id")) and case.path_parameters["id"] not in OURS and not kept(case.path_parameters["id"]):
        # Only cards and transactions: the id of another kind that an answer taught is that of its object, or nobody's.
        if name == "deleteCard":
            case.path_parameters["id"] = created("/v1/card", card_body())
        elif name.endswith("Card"):
            case.path_parameters["id"] = CARD
        elif "Transaction" in name:
            case.path_parameters["id"] = TRANSACTION
    if isinstance(case.body, dict):
        positive = case.meta is not None and case.meta.generation.mode.is_positive
        body = plausible_body(dict(case.body)) if positive else wrong_body(dict(case.body))
        if not positive and name == "createCard" and not isinstance(body.get("account", ""), str):
            # Of a card it means nothing, whatever it is; the request is wrong by something else then.
            body["card_number"] = []
        real_body(body)
        if body != case.body:
            case.body = body
    elif case.body is None or case.body == []:
        # Where nothing need be said, clients of the gateway say it so too.
        case.body = "wrong"
    for field, real in (("organisation", ORGANISATION), ("account", ACCOUNT), ("card", CARD)):
        if is_id((case.query or {}).get(field)) and not kept(case.query[field], 2):
            case.query[field] = real


@schemathesis.hook
def after_call(context, case, response):
    """What the server made is real, and stays as it is when it is used again."""
    try:
        answer = response.json()
    except ValueError:
        return
    if isinstance(answer, dict) and isinstance(answer.get("_id"), str):
        OURS.add(answer["_id"])


@schemathesis.check
class ServerErrorsAreThoseOfTheProcessor:
    """A 5xx of transaction_create is one of the two that say what the processor did."""

    def after_response(self, ctx, response, case):
        if response.status_code >= 500:
            code = response.json().get("code")
            allowed = {502: 122, 503: 131}
            assert allowed.get(response.status_code) == code, f"{response.status_code} with code {code}"


@schemathesis.check
class MoneyAndCardsAreReached:
    """Requests got as far as a stored card and a sent transaction; and says what was seen."""

    def __init__(self):
        self.seen = {}

    def after_response(self, ctx, response, case):
        name = case.operation.definition.raw.get("operationId", case.operation.label)
        statuses = self.seen.setdefault(name, {})
        statuses[response.status_code] = statuses.get(response.status_code, 0) + 1

    def after_run(self, ctx):
        print("\nanswers seen, by operation:")
        for name, statuses in sorted(self.seen.items()):
            print(f"  {name:<24}", ", ".join(f"{status}: {count}" for status, count in sorted(statuses.items())))
        for name in ("createCard", "createTransaction"):
            assert 200 in self.seen.get(name, {}), f"{name} was never answered with 200"
