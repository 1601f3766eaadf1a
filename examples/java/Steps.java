// A card's life with Panvault, and the check of a webhook. Java 17 or later, and Gson for JSON.

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.Map;
import java.util.UUID;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

public class Steps {
    private static final Map<String, String> SET = System.getenv();
    private static final HttpClient CLIENT = HttpClient.newHttpClient();

    record Answer(int status, JsonObject body) {}

    /** The status and the JSON that came. What creates or acts bears a key, so that it may be sent again and is done once. */
    static Answer call(String method, String path, JsonObject body) throws Exception {
        var sent = body == null
            ? HttpRequest.BodyPublishers.noBody()
            : HttpRequest.BodyPublishers.ofString(body.toString());
        var request = HttpRequest.newBuilder(URI.create(SET.get("PANVAULT") + path))
            .timeout(Duration.ofSeconds(40))
            .header("X-APIKEY", SET.get("KEY"))
            .method(method, sent);
        if (body != null) {
            request.header("Content-Type", "application/json");
        }
        if (method.equals("POST")) {
            request.header("Idempotency-Key", UUID.randomUUID().toString());
        }
        var answer = CLIENT.send(request.build(), HttpResponse.BodyHandlers.ofString());
        return new Answer(answer.statusCode(), JsonParser.parseString(answer.body()).getAsJsonObject());
    }

    /** The same, of what has to succeed. */
    static JsonObject done(String method, String path, JsonObject body) throws Exception {
        var answer = call(method, path, body);
        if (answer.status() != 200) {
            throw new IllegalStateException(method + " " + path + ": " + answer.status() + " " + answer.body());
        }
        return answer.body();
    }

    static JsonObject object(Object... members) {
        var object = new JsonObject();
        for (int at = 0; at < members.length; at += 2) {
            var name = (String) members[at];
            if (members[at + 1] instanceof Number number) {
                object.addProperty(name, number);
            } else if (members[at + 1] instanceof Boolean truth) {
                object.addProperty(name, truth);
            } else {
                object.addProperty(name, (String) members[at + 1]);
            }
        }
        return object;
    }

    static JsonObject pay(String card, int amount) {
        return object("account", SET.get("ACCOUNT"), "card", card, "amount", amount);
    }

    static JsonObject reserve(String card, int amount) {
        var body = pay(card, amount);
        body.addProperty("capture_now", false);
        return body;
    }

    static String text(JsonObject object, String name) {
        return object.get(name).getAsString();
    }

    /** Reads until the status is reached. A shop waits for a webhook instead. */
    static JsonObject when(String path, String status) throws Exception {
        for (int turn = 0; turn < 150; turn += 1) {
            var found = done("GET", path, null);
            if (text(found, "status").equals(status)) {
                return found;
            }
            Thread.sleep(200);
        }
        throw new IllegalStateException(path + " is still not " + status);
    }

    /** Standard Webhooks: one of the signatures is that of id, time and body, and the time is no more than 5 minutes off. */
    static boolean isGenuine(String secret, Map<String, String> headers, String body, Instant now)
        throws GeneralSecurityException {
        var sentAt = headers.get("webhook-timestamp");
        if (Math.abs(now.getEpochSecond() - Long.parseLong(sentAt)) > 300) {
            return false;
        }
        var key = Base64.getDecoder().decode(secret.replaceFirst("^whsec_", ""));
        var mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(key, "HmacSHA256"));
        var signed = headers.get("webhook-id") + "." + sentAt + "." + body;
        var tag = Base64.getEncoder().encodeToString(mac.doFinal(signed.getBytes(StandardCharsets.UTF_8)));
        var expected = ("v1," + tag).getBytes(StandardCharsets.UTF_8);
        for (var one : headers.get("webhook-signature").split(" ")) {
            if (MessageDigest.isEqual(expected, one.getBytes(StandardCharsets.UTF_8))) {
                return true;
            }
        }
        return false;
    }

    public static void main(String[] arguments) throws Exception {
        var organisation = SET.get("ORGANISATION");

        // Step 1 and 2: post the card once, keep its token.
        var number = object("card_number", "4111111111111111", "cvv", "111", "expiry_month", "12",
            "expiry_year", "35", "organisation", organisation);
        var card = done("POST", "/v1/card", number);
        var token = text(card, "_id");
        System.out.printf("card: %s %s, CVV held: %s%n",
            text(card, "brand"), text(card, "masked_card_number"), card.get("cvv_present"));

        // Step 3: pay with the token. The CVV goes along once.
        var paid = done("POST", "/v1/transaction", pay(token, 1000));
        System.out.printf("paid: %s, with CVV: %s%n", text(paid, "status"), paid.get("cvv_present"));
        paid = done("POST", "/v1/transaction", pay(token, 1000));
        System.out.printf("paid again: %s, with CVV: %s%n", text(paid, "status"), paid.get("cvv_present"));

        // Reusing the id: put a CVV back.
        var updated = done("POST", "/v1/card/" + token, object("cvv", "111", "organisation", organisation));
        System.out.printf("CVV put back, the same token: %s%n",
            text(updated, "_id").equals(token) && updated.get("cvv_present").getAsBoolean());
        paid = done("POST", "/v1/transaction", pay(token, 1000));
        System.out.printf("paid once more: %s, with CVV: %s%n", text(paid, "status"), paid.get("cvv_present"));

        // What goes wrong has a code, and a transaction that was made all the same is in its details.
        var declined = call("POST", "/v1/transaction", pay(token, 1121)).body();
        System.out.printf("declined: code %s, %s%n",
            declined.get("code"), text(declined.getAsJsonObject("details"), "status"));
        number.addProperty("card_number", "4111111111111112");
        System.out.printf("refused before anything was sent: code %s%n",
            call("POST", "/v1/card", number).body().get("code"));

        // Reserve, capture a part, and give back a part of that once it is settled.
        var reserved = done("POST", "/v1/transaction", reserve(token, 1000));
        var path = "/v1/transaction/" + text(reserved, "_id");
        System.out.printf("reserved: %s%n", text(reserved, "status"));
        var captured = done("POST", path + "/capture", object("amount", 600));
        System.out.printf("captured: %s of %s%n", captured.get("captured_amount"), captured.get("amount"));
        System.out.printf("settled: %s%n", text(when(path, "SETTLEMENT_COMPLETED"), "status"));
        var refund = done("POST", path + "/refund", object("amount", 250));
        System.out.printf("refund of %s: %s%n", refund.get("amount"), text(refund, "status"));
        refund = when("/v1/refund/" + text(refund, "_id"), "PROCESSED");
        System.out.printf("refund of %s: %s%n", refund.get("amount"), text(refund, "status"));

        // Which way money is given back is chosen by the status.
        reserved = done("POST", "/v1/transaction", reserve(token, 500));
        path = "/v1/transaction/" + text(reserved, "_id");
        var way = switch (text(done("GET", path, null), "status")) {
            case "AUTHORIZED" -> "void";
            case "SETTLEMENT_REQUESTED" -> "void_capture";
            default -> "refund";
        };
        System.out.printf("given back by %s: %s%n", way, text(done("POST", path + "/" + way, null), "status"));

        // What a receiver does with each webhook, before it reads the body.
        var received = Map.of("webhook-id", SET.get("WEBHOOK_ID"), "webhook-timestamp", SET.get("WEBHOOK_TIMESTAMP"),
            "webhook-signature", SET.get("WEBHOOK_SIGNATURE"));
        var body = SET.get("WEBHOOK_BODY");
        var is = isGenuine(SET.get("WEBHOOK_SECRET"), received, body, Instant.now());
        System.out.printf("webhook: %s%n", is ? "genuine" : "not genuine");
        is = isGenuine(SET.get("WEBHOOK_SECRET"), received, body + " ", Instant.now());
        System.out.printf("webhook with another body: %s%n", is ? "genuine" : "not genuine");
    }
}
