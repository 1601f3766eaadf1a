#!/usr/bin/env bash
# A card's life with Panvault, and the check of a webhook. curl 7.76 or later, jq and openssl.
set -eu

# Prints the JSON that came. What creates or acts bears a key, so that it may be sent again and is done once.
call() {
    local method=$1 path=$2 body=${3-}
    local arguments=(--silent --show-error --max-time 40 --request "$method" --header "X-APIKEY: $KEY")
    if [ "$method" = POST ]; then
        arguments+=(--header "Idempotency-Key: $(openssl rand -hex 16)")
    fi
    if [ -n "$body" ]; then
        arguments+=(--header 'Content-Type: application/json' --data-binary @-)
    fi
    curl "${arguments[@]}" "$PANVAULT$path" <<<"$body"
}

# The same, of what has to succeed.
done_() {
    local answer
    answer=$(call "$@")
    if [ "$(jq 'has("code")' <<<"$answer")" = true ]; then
        echo "$1 $2: $answer" >&2
        exit 1
    fi
    echo "$answer"
}

pay() {
    jq --null-input --compact-output --arg account "$ACCOUNT" --arg card "$1" --argjson amount "$2" \
        --argjson more "${3:-{\}}" '{$account, $card, $amount} + $more'
}

# Reads until the status is reached. A shop waits for a webhook instead.
when() {
    local found turn
    for turn in $(seq 150); do
        found=$(done_ GET "$1")
        if [ "$(jq --raw-output .status <<<"$found")" = "$2" ]; then
            echo "$found"
            return
        fi
        sleep 0.2
    done
    echo "$1 is not $2 after $turn turns" >&2
    exit 1
}

show() {
    jq --raw-output "$1" <<<"$answer"
}

# What a program is called with can be seen by others on its machine: a receiver that serves a shop is no shell script.
# Standard Webhooks: one of the signatures is that of id, time and body, and the time is no more than 5 minutes off.
is_genuine() {
    local body=$1 age key expected one
    age=$(($(date +%s) - WEBHOOK_TIMESTAMP))
    if [ "${age#-}" -gt 300 ]; then
        return 1
    fi
    key=$(echo "${WEBHOOK_SECRET#whsec_}" | base64 --decode | od -An -v -tx1 | tr -d ' \n')
    expected=v1,$(printf '%s.%s.%s' "$WEBHOOK_ID" "$WEBHOOK_TIMESTAMP" "$body" |
        openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | base64)
    for one in $WEBHOOK_SIGNATURE; do
        if [ "$one" = "$expected" ]; then
            return 0
        fi
    done
    return 1
}

# Step 1 and 2: post the card once, keep its token.
number='{"card_number": "4111111111111111", "cvv": "111", "expiry_month": "12", "expiry_year": "35"}'
number=$(jq --arg organisation "$ORGANISATION" '. + {$organisation}' <<<"$number")
answer=$(done_ POST /v1/card "$number")
token=$(show ._id)
show '"card: \(.brand) \(.masked_card_number), CVV held: \(.cvv_present)"'

# Step 3: pay with the token. The CVV goes along once.
answer=$(done_ POST /v1/transaction "$(pay "$token" 1000)")
show '"paid: \(.status), with CVV: \(.cvv_present)"'
answer=$(done_ POST /v1/transaction "$(pay "$token" 1000)")
show '"paid again: \(.status), with CVV: \(.cvv_present)"'

# Reusing the id: put a CVV back.
answer=$(done_ POST "/v1/card/$token" "{\"cvv\": \"111\", \"organisation\": \"$ORGANISATION\"}")
show "\"CVV put back, the same token: \\(._id == \"$token\" and .cvv_present)\""
answer=$(done_ POST /v1/transaction "$(pay "$token" 1000)")
show '"paid once more: \(.status), with CVV: \(.cvv_present)"'

# What goes wrong has a code, and a transaction that was made all the same is in its details.
answer=$(call POST /v1/transaction "$(pay "$token" 1121)")
show '"declined: code \(.code), \(.details.status)"'
answer=$(call POST /v1/card "$(jq '.card_number = "4111111111111112"' <<<"$number")")
show '"refused before anything was sent: code \(.code)"'

# Reserve, capture a part, and give back a part of that once it is settled.
answer=$(done_ POST /v1/transaction "$(pay "$token" 1000 '{"capture_now": false}')")
path=/v1/transaction/$(show ._id)
show '"reserved: \(.status)"'
answer=$(done_ POST "$path/capture" '{"amount": 600}')
show '"captured: \(.captured_amount) of \(.amount)"'
answer=$(when "$path" SETTLEMENT_COMPLETED)
show '"settled: \(.status)"'
answer=$(done_ POST "$path/refund" '{"amount": 250}')
show '"refund of \(.amount): \(.status)"'
answer=$(when "/v1/refund/$(show ._id)" PROCESSED)
show '"refund of \(.amount): \(.status)"'

# Which way money is given back is chosen by the status.
answer=$(done_ POST /v1/transaction "$(pay "$token" 500 '{"capture_now": false}')")
path=/v1/transaction/$(show ._id)
answer=$(done_ GET "$path")
case $(show .status) in
    AUTHORIZED) way=void ;;
    SETTLEMENT_REQUESTED) way=void_capture ;;
    *) way=refund ;;
esac
answer=$(done_ POST "$path/$way")
show "\"given back by $way: \\(.status)\""

# What a receiver does with each webhook, before it reads the body.
if is_genuine "$WEBHOOK_BODY"; then echo 'webhook: genuine'; else echo 'webhook: not genuine'; fi
if is_genuine "$WEBHOOK_BODY "; then
    echo 'webhook with another body: genuine'
else
    echo 'webhook with another body: not genuine'
fi
