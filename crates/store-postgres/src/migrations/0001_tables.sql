-- Every table of rows has the same frame: `id` is the key of the row as `RowKey` encodes it, `version` is the row's, and `row` is the row
-- exactly as `Row` encodes it (docs/record-format.md). The columns between are for finding alone: what is read is decoded from `row`.
-- Keys are bytes, in the order in which they were made; there is no sequence, no foreign key, no trigger and no default.

CREATE TABLE vault (
    one int8 PRIMARY KEY CHECK (one = 1),
    id bytea NOT NULL,
    mode bytea NOT NULL,
    created_at int8 NOT NULL,
    version int8 NOT NULL,
    header_1 bytea NOT NULL,
    header_2 bytea NOT NULL
);

CREATE TABLE card (
    version int8 NOT NULL,
    fingerprint int8 NOT NULL,
    fingerprint_before int8,
    id bytea PRIMARY KEY,
    organisation bytea NOT NULL,
    row bytea NOT NULL
);
CREATE INDEX card_by_organisation ON card (organisation, id);
CREATE INDEX card_by_fingerprint ON card (fingerprint, id);
CREATE INDEX card_by_fingerprint_before ON card (fingerprint_before, id) WHERE fingerprint_before IS NOT NULL;

CREATE TABLE payment (
    version int8 NOT NULL,
    status int8 NOT NULL,
    open int8 NOT NULL,
    reference int8,
    id bytea PRIMARY KEY,
    organisation bytea NOT NULL,
    card bytea NOT NULL,
    account bytea NOT NULL,
    row bytea NOT NULL
);
CREATE INDEX payment_by_organisation ON payment (organisation, id);
CREATE INDEX payment_by_card ON payment (organisation, card, id);
CREATE INDEX payment_by_account ON payment (organisation, account, id);
CREATE INDEX payment_by_status ON payment (organisation, status, id);
CREATE INDEX payment_by_reference ON payment (reference, id) WHERE reference IS NOT NULL;
CREATE INDEX payment_open ON payment (id) WHERE open = 1;

CREATE TABLE history (
    version int8 NOT NULL,
    id bytea PRIMARY KEY,
    row bytea NOT NULL
);

CREATE TABLE document (
    version int8 NOT NULL,
    id bytea PRIMARY KEY,
    row bytea NOT NULL
);

CREATE TABLE idempotency (
    version int8 NOT NULL,
    expires_at int8 NOT NULL,
    id bytea PRIMARY KEY,
    row bytea NOT NULL
);
CREATE INDEX idempotency_by_expiry ON idempotency (expires_at);

CREATE TABLE card_cvv (
    version int8 NOT NULL,
    cvv_until int8 NOT NULL,
    id bytea PRIMARY KEY,
    row bytea NOT NULL
);
CREATE INDEX card_cvv_by_end ON card_cvv (cvv_until);

CREATE TABLE node (
    version int8 NOT NULL,
    id bytea PRIMARY KEY,
    row bytea NOT NULL
);

CREATE TABLE apikey_use (
    version int8 NOT NULL,
    id bytea PRIMARY KEY,
    row bytea NOT NULL
);

CREATE TABLE refund (
    version int8 NOT NULL,
    status int8 NOT NULL,
    open int8 NOT NULL,
    id bytea PRIMARY KEY,
    organisation bytea NOT NULL,
    payment bytea NOT NULL,
    account bytea NOT NULL,
    row bytea NOT NULL
);
CREATE INDEX refund_by_organisation ON refund (organisation, id);
CREATE INDEX refund_by_payment ON refund (payment, id);
CREATE INDEX refund_by_account ON refund (organisation, account, id);
CREATE INDEX refund_by_status ON refund (organisation, status, id);
CREATE INDEX refund_open ON refund (id) WHERE open = 1;

CREATE TABLE customer (
    version int8 NOT NULL,
    id bytea PRIMARY KEY,
    organisation bytea NOT NULL,
    email bytea,
    row bytea NOT NULL
);
CREATE INDEX customer_by_organisation ON customer (organisation, id);
CREATE INDEX customer_by_email ON customer (email, id) WHERE email IS NOT NULL;

CREATE TABLE delivery (
    version int8 NOT NULL,
    status int8 NOT NULL,
    waiting int8 NOT NULL,
    object_version int8 NOT NULL,
    due_at int8 NOT NULL,
    id bytea PRIMARY KEY,
    organisation bytea NOT NULL,
    account bytea NOT NULL,
    object bytea NOT NULL,
    host bytea NOT NULL,
    row bytea NOT NULL
);
CREATE INDEX delivery_by_organisation ON delivery (organisation, id);
CREATE INDEX delivery_by_object ON delivery (object, id);
CREATE INDEX delivery_by_account ON delivery (organisation, account, id);
CREATE INDEX delivery_by_status ON delivery (organisation, status, id);
CREATE INDEX delivery_waiting ON delivery (object, object_version, id) WHERE waiting = 1;
CREATE INDEX delivery_due ON delivery (organisation, host, due_at, id) WHERE waiting = 1;
CREATE INDEX delivery_over ON delivery (due_at, id) WHERE waiting = 0;

CREATE TABLE checkout (
    version int8 NOT NULL,
    remove_at int8 NOT NULL,
    id bytea PRIMARY KEY,
    organisation bytea NOT NULL,
    row bytea NOT NULL
);
CREATE INDEX checkout_by_organisation ON checkout (organisation, id);
CREATE INDEX checkout_by_end ON checkout (remove_at, id);

-- What one node committed in one step: so many notes, from a place in its chain on. `tag` is the version of a key (2) and, under it, over the tag before, writer, place and notes (32).
-- A row without notes marks a place as taken by nobody: what was on its way to it comes too late.
CREATE TABLE audit (
    place int8 NOT NULL,
    count int8 NOT NULL,
    writer bytea NOT NULL,
    notes bytea NOT NULL,
    tag bytea NOT NULL,
    PRIMARY KEY (writer, place)
);
