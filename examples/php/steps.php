<?php

// A card's life with Panvault, and the check of a webhook. PHP 8 or later, no extension beside the standard ones.

declare(strict_types=1);

$organisation = getenv('ORGANISATION');

/** The status and the JSON that came. What creates or acts bears a key, so that it may be sent again and is done once. */
function call(string $method, string $path, ?array $body = null): array
{
    $headers = ['X-APIKEY: ' . getenv('KEY'), 'Content-Type: application/json'];
    if ($method === 'POST') {
        $headers[] = 'Idempotency-Key: ' . bin2hex(random_bytes(16));
    }
    $http = ['method' => $method, 'header' => $headers, 'timeout' => 40, 'ignore_errors' => true];
    if ($body !== null) {
        $http['content'] = json_encode($body, JSON_THROW_ON_ERROR);
    }
    $text = file_get_contents(getenv('PANVAULT') . $path, false, stream_context_create(['http' => $http]));
    if ($text === false) {
        exit("$method $path: no answer\n");
    }
    $status = (int) explode(' ', $http_response_header[0])[1];
    return [$status, json_decode($text, true, 16, JSON_THROW_ON_ERROR)];
}

/** The same, of what has to succeed. */
function done(string $method, string $path, ?array $body = null): array
{
    [$status, $answer] = call($method, $path, $body);
    if ($status !== 200) {
        $details = json_encode($answer['details'] ?? []);
        fwrite(STDERR, "$method $path: $status, code {$answer['code']}: {$answer['message']} $details\n");
        exit(1);
    }
    return $answer;
}

function pay(string $card, int $amount, array $more = []): array
{
    return ['account' => getenv('ACCOUNT'), 'card' => $card, 'amount' => $amount] + $more;
}

/** Reads until the status is reached. A shop waits for a webhook instead. */
function when(string $path, string $status): array
{
    for ($turn = 0; $turn < 150; $turn += 1) {
        $found = done('GET', $path);
        if ($found['status'] === $status) {
            return $found;
        }
        usleep(200_000);
    }
    fwrite(STDERR, "$path is still {$found['status']}\n");
    exit(1);
}

/** Standard Webhooks: one of the signatures is that of id, time and body, and the time is no more than 5 minutes off. */
function is_genuine(string $secret, array $headers, string $body, int $now): bool
{
    if (abs($now - (int) $headers['webhook-timestamp']) > 300) {
        return false;
    }
    $key = base64_decode(preg_replace('/^whsec_/', '', $secret), true);
    $signed = "{$headers['webhook-id']}.{$headers['webhook-timestamp']}.$body";
    $expected = 'v1,' . base64_encode(hash_hmac('sha256', $signed, $key, true));
    foreach (explode(' ', $headers['webhook-signature']) as $one) {
        if (hash_equals($expected, $one)) {
            return true;
        }
    }
    return false;
}

// Step 1 and 2: post the card once, keep its token.
$number = ['card_number' => '4111111111111111', 'cvv' => '111', 'expiry_month' => '12', 'expiry_year' => '35'];
$number['organisation'] = $organisation;
$card = done('POST', '/v1/card', $number);
$token = $card['_id'];
echo "card: {$card['brand']} {$card['masked_card_number']}, CVV held: ", json_encode($card['cvv_present']), "\n";

// Step 3: pay with the token. The CVV goes along once.
$paid = done('POST', '/v1/transaction', pay($token, 1000));
echo "paid: {$paid['status']}, with CVV: ", json_encode($paid['cvv_present']), "\n";
$paid = done('POST', '/v1/transaction', pay($token, 1000));
echo "paid again: {$paid['status']}, with CVV: ", json_encode($paid['cvv_present']), "\n";

// Reusing the id: put a CVV back.
$updated = done('POST', "/v1/card/$token", ['cvv' => '111', 'organisation' => $organisation]);
echo 'CVV put back, the same token: ', json_encode($updated['_id'] === $token && $updated['cvv_present']), "\n";
$paid = done('POST', '/v1/transaction', pay($token, 1000));
echo "paid once more: {$paid['status']}, with CVV: ", json_encode($paid['cvv_present']), "\n";

// What goes wrong has a code, and a transaction that was made all the same is in its details.
[, $answer] = call('POST', '/v1/transaction', pay($token, 1121));
echo "declined: code {$answer['code']}, {$answer['details']['status']}\n";
[, $answer] = call('POST', '/v1/card', ['card_number' => '4111111111111112'] + $number);
echo "refused before anything was sent: code {$answer['code']}\n";

// Reserve, capture a part, and give back a part of that once it is settled.
$reserved = done('POST', '/v1/transaction', pay($token, 1000, ['capture_now' => false]));
$path = "/v1/transaction/{$reserved['_id']}";
echo "reserved: {$reserved['status']}\n";
$captured = done('POST', "$path/capture", ['amount' => 600]);
echo "captured: {$captured['captured_amount']} of {$captured['amount']}\n";
echo 'settled: ', when($path, 'SETTLEMENT_COMPLETED')['status'], "\n";
$refund = done('POST', "$path/refund", ['amount' => 250]);
echo "refund of {$refund['amount']}: {$refund['status']}\n";
$refund = when("/v1/refund/{$refund['_id']}", 'PROCESSED');
echo "refund of {$refund['amount']}: {$refund['status']}\n";

// Which way money is given back is chosen by the status.
$reserved = done('POST', '/v1/transaction', pay($token, 500, ['capture_now' => false]));
$ways = ['AUTHORIZED' => 'void', 'SETTLEMENT_REQUESTED' => 'void_capture', 'SETTLEMENT_COMPLETED' => 'refund'];
$path = "/v1/transaction/{$reserved['_id']}";
$way = $ways[done('GET', $path)['status']];
echo "given back by $way: ", done('POST', "$path/$way")['status'], "\n";

// What a receiver does with each webhook, before it reads the body.
$received = [
    'webhook-id' => getenv('WEBHOOK_ID'),
    'webhook-timestamp' => getenv('WEBHOOK_TIMESTAMP'),
    'webhook-signature' => getenv('WEBHOOK_SIGNATURE'),
];
$body = getenv('WEBHOOK_BODY');
foreach (['webhook' => $body, 'webhook with another body' => "$body "] as $words => $sent) {
    $genuine = is_genuine(getenv('WEBHOOK_SECRET'), $received, $sent, time());
    echo "$words: ", $genuine ? 'genuine' : 'not genuine', "\n";
}
