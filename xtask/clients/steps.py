"""The steps of the page about tokenization with the client that openapi-python-client makes."""

import os

from panvault_client import AuthenticatedClient
from panvault_client.api.card import create_card, get_card, update_card
from panvault_client.api.transaction import create_transaction, get_transaction_history, list_transactions
from panvault_client.models import (
    ApiError,
    Card,
    CardCreate,
    CardUpdate,
    FieldFaults,
    ListTransactionsStatusItem as Status,
    Transaction,
    TransactionCreate,
    TransactionOutcome,
)

ORGANISATION = os.environ["PANVAULT_ORGANISATION"]
ACCOUNT = os.environ["PANVAULT_ACCOUNT"]
CLIENT = AuthenticatedClient(
    base_url=os.environ["PANVAULT_URL"], token=os.environ["PANVAULT_API_KEY"], prefix="", auth_header_name="X-APIKEY"
)


def pay(card, amount):
    return create_transaction.sync(client=CLIENT, body=TransactionCreate(account=ACCOUNT, amount=amount, card=card))


def card_body(number):
    return CardCreate(card_number=number, cvv="111", expiry_month="12", expiry_year="35", organisation=ORGANISATION)


card = create_card.sync(client=CLIENT, body=card_body("4111111111111111"))
assert isinstance(card, Card) and card.cvv_present and card.brand == "Visa" and card.issuer_country == "NL", card
assert card.cvv_expires_at > card.created_at

first = pay(card.field_id, 1099)
assert isinstance(first, Transaction) and first.cvv_present and first.cvv_result == "1", first
assert first.status == "SETTLEMENT_REQUESTED" and first.last_status_update >= first.created_at
second = pay(card.field_id, 2500)
assert not second.cvv_present, "the CVV was used"

updated = update_card.sync(card.field_id, client=CLIENT, body=CardUpdate(cvv="222", organisation=ORGANISATION))
assert updated.field_id == card.field_id and updated.cvv_present, updated
third = pay(card.field_id, 4200)
assert third.cvv_present and third.cvv_result == "2", third
assert not get_card.sync(card.field_id, client=CLIENT).cvv_present

declined = pay(card.field_id, 1121)
assert isinstance(declined, ApiError) and declined.code == 121, declined
assert isinstance(declined.details, TransactionOutcome) and declined.details.status == "DECLINED", declined
history = get_transaction_history.sync(declined.details.field_id, client=CLIENT)
assert [step.status for step in history] == ["DECLINED", "INITIATED"], history

wrong = create_card.sync(client=CLIENT, body=card_body("4111111111111112"))
assert isinstance(wrong, ApiError) and wrong.code == 107, wrong
assert isinstance(wrong.details, FieldFaults) and "body.card_number" in wrong.details, wrong

listed = list_transactions.sync(client=CLIENT, card=[card.field_id], status=[Status.DECLINED, Status.SETTLEMENT_REQUESTED])
assert len(listed) == 4, listed
print("openapi-python-client: the steps of the page, and a decline")
