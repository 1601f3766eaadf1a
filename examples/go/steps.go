// A card's life with Panvault, and the check of a webhook. Go 1.18 or later, its standard library.
package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log"
	"math"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

type object = map[string]any

var client = http.Client{Timeout: 40 * time.Second}

// The status and the JSON that came. What creates or acts bears a key, so that it may be sent again and is done once.
func call(method, path string, body object) (int, object) {
	var text bytes.Buffer
	if body != nil {
		must(json.NewEncoder(&text).Encode(body))
	}
	request, err := http.NewRequest(method, os.Getenv("PANVAULT")+path, &text)
	must(err)
	request.Header.Set("X-APIKEY", os.Getenv("KEY"))
	request.Header.Set("Content-Type", "application/json")
	if method == "POST" {
		key := make([]byte, 16)
		_, err := rand.Read(key)
		must(err)
		request.Header.Set("Idempotency-Key", hex.EncodeToString(key))
	}
	response, err := client.Do(request)
	must(err)
	defer response.Body.Close()
	answer := object{}
	must(json.NewDecoder(response.Body).Decode(&answer))
	return response.StatusCode, answer
}

// The same, of what has to succeed.
func done(method, path string, body object) object {
	status, answer := call(method, path, body)
	if status != http.StatusOK {
		log.Fatalf("%s %s: %d, code %v: %v %v", method, path, status, answer["code"], answer["message"], answer["details"])
	}
	return answer
}

func pay(card any, amount int) object {
	return object{"account": os.Getenv("ACCOUNT"), "card": card, "amount": amount}
}

func reserve(card any, amount int) object {
	body := pay(card, amount)
	body["capture_now"] = false
	return body
}

// Reads until the status is reached. A shop waits for a webhook instead.
func when(path, status string) object {
	for turn := 0; turn < 150; turn++ {
		if found := done("GET", path, nil); found["status"] == status {
			return found
		}
		time.Sleep(200 * time.Millisecond)
	}
	log.Fatalf("%s is still not %s", path, status)
	return nil
}

// Standard Webhooks: one of the signatures is that of id, time and body, and the time is no more than 5 minutes off.
func isGenuine(secret string, headers http.Header, body []byte, now time.Time) bool {
	sentAt, err := strconv.ParseInt(headers.Get("webhook-timestamp"), 10, 64)
	if err != nil || math.Abs(now.Sub(time.Unix(sentAt, 0)).Seconds()) > 300 {
		return false
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%d.", headers.Get("webhook-id"), sentAt)
	mac.Write(body)
	expected := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	for _, one := range strings.Split(headers.Get("webhook-signature"), " ") {
		if hmac.Equal([]byte(one), []byte(expected)) {
			return true
		}
	}
	return false
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	organisation := os.Getenv("ORGANISATION")

	// Step 1 and 2: post the card once, keep its token.
	number := object{
		"card_number": "4111111111111111", "cvv": "111", "expiry_month": "12", "expiry_year": "35",
		"organisation": organisation,
	}
	card := done("POST", "/v1/card", number)
	token := card["_id"]
	fmt.Printf("card: %v %v, CVV held: %v\n", card["brand"], card["masked_card_number"], card["cvv_present"])

	// Step 3: pay with the token. The CVV goes along once.
	paid := done("POST", "/v1/transaction", pay(token, 1000))
	fmt.Printf("paid: %v, with CVV: %v\n", paid["status"], paid["cvv_present"])
	paid = done("POST", "/v1/transaction", pay(token, 1000))
	fmt.Printf("paid again: %v, with CVV: %v\n", paid["status"], paid["cvv_present"])

	// Reusing the id: put a CVV back.
	updated := done("POST", fmt.Sprintf("/v1/card/%v", token), object{"cvv": "111", "organisation": organisation})
	fmt.Printf("CVV put back, the same token: %v\n", updated["_id"] == token && updated["cvv_present"] == true)
	paid = done("POST", "/v1/transaction", pay(token, 1000))
	fmt.Printf("paid once more: %v, with CVV: %v\n", paid["status"], paid["cvv_present"])

	// What goes wrong has a code, and a transaction that was made all the same is in its details.
	_, answer := call("POST", "/v1/transaction", pay(token, 1121))
	fmt.Printf("declined: code %v, %v\n", answer["code"], answer["details"].(object)["status"])
	number["card_number"] = "4111111111111112"
	_, answer = call("POST", "/v1/card", number)
	fmt.Printf("refused before anything was sent: code %v\n", answer["code"])

	// Reserve, capture a part, and give back a part of that once it is settled.
	reserved := done("POST", "/v1/transaction", reserve(token, 1000))
	path := fmt.Sprintf("/v1/transaction/%v", reserved["_id"])
	fmt.Printf("reserved: %v\n", reserved["status"])
	captured := done("POST", path+"/capture", object{"amount": 600})
	fmt.Printf("captured: %v of %v\n", captured["captured_amount"], captured["amount"])
	fmt.Printf("settled: %v\n", when(path, "SETTLEMENT_COMPLETED")["status"])
	refund := done("POST", path+"/refund", object{"amount": 250})
	fmt.Printf("refund of %v: %v\n", refund["amount"], refund["status"])
	refund = when(fmt.Sprintf("/v1/refund/%v", refund["_id"]), "PROCESSED")
	fmt.Printf("refund of %v: %v\n", refund["amount"], refund["status"])

	// Which way money is given back is chosen by the status.
	reserved = done("POST", "/v1/transaction", reserve(token, 500))
	ways := map[any]string{"AUTHORIZED": "void", "SETTLEMENT_REQUESTED": "void_capture", "SETTLEMENT_COMPLETED": "refund"}
	path = fmt.Sprintf("/v1/transaction/%v", reserved["_id"])
	way := ways[done("GET", path, nil)["status"]]
	fmt.Printf("given back by %v: %v\n", way, done("POST", path+"/"+way, nil)["status"])

	// What a receiver does with each webhook, before it reads the body.
	received := http.Header{}
	for _, name := range []string{"webhook-id", "webhook-timestamp", "webhook-signature"} {
		received.Set(name, os.Getenv(strings.ToUpper(strings.ReplaceAll(name, "-", "_"))))
	}
	body := os.Getenv("WEBHOOK_BODY")
	for _, sent := range []struct{ words, body string }{{"webhook", body}, {"webhook with another body", body + " "}} {
		words := "not genuine"
		if isGenuine(os.Getenv("WEBHOOK_SECRET"), received, []byte(sent.body), time.Now()) {
			words = "genuine"
		}
		fmt.Printf("%s: %s\n", sent.words, words)
	}
}
