-- Times are UTC in milliseconds since 1970. A queue is named by its device; the feedback queue by ''.
-- What the hub makes or has checked is TEXT; what a sender may fill with any bytes is BLOB.
-- Numbers that stand for names: see storage/codes.hpp.

CREATE TABLE migration (
  version INTEGER NOT NULL PRIMARY KEY,
  name TEXT NOT NULL
) STRICT;

CREATE TABLE device (
  id TEXT NOT NULL PRIMARY KEY,
  generation_id TEXT NOT NULL,
  etag TEXT NOT NULL,
  status INTEGER NOT NULL,
  status_reason TEXT NOT NULL,
  status_updated_time INTEGER,
  authentication_type INTEGER NOT NULL,
  primary_key TEXT NOT NULL,
  secondary_key TEXT NOT NULL,
  primary_thumbprint TEXT NOT NULL,
  secondary_thumbprint TEXT NOT NULL,
  iot_edge INTEGER NOT NULL,
  device_scope TEXT NOT NULL,
  created_time INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The last sequence number given out. Outlives the messages, so that none is given out twice.
CREATE TABLE sequence_counter (
  queue TEXT NOT NULL PRIMARY KEY,
  last INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE message (
  queue TEXT NOT NULL,
  sequence_number INTEGER NOT NULL,
  delivery_count INTEGER NOT NULL,
  enqueued_time INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  ack INTEGER NOT NULL,
  ack_given INTEGER NOT NULL,
  message_id_type INTEGER NOT NULL,
  message_id BLOB NOT NULL,
  correlation_id_type INTEGER NOT NULL,
  correlation_id BLOB NOT NULL,
  user_id BLOB NOT NULL,
  to_address BLOB NOT NULL,
  content_type BLOB NOT NULL,
  content_encoding BLOB NOT NULL,
  creation_time_utc BLOB NOT NULL,
  absolute_expiry INTEGER,
  properties BLOB NOT NULL,  -- storage/property_codec.hpp
  body BLOB NOT NULL,
  PRIMARY KEY (queue, sequence_number)
) STRICT;  -- with a rowid: new messages of all queues land on the same few pages

CREATE TABLE feedback_record (
  record_id INTEGER NOT NULL PRIMARY KEY,
  message_id_type INTEGER NOT NULL,
  message_id BLOB NOT NULL,
  enqueued_time INTEGER NOT NULL,
  status INTEGER NOT NULL,
  device TEXT NOT NULL,
  device_generation_id TEXT NOT NULL
) STRICT;

CREATE TABLE mqtt_session (
  device TEXT NOT NULL PRIMARY KEY
) STRICT, WITHOUT ROWID;

CREATE TABLE mqtt_subscription (
  device TEXT NOT NULL,
  position INTEGER NOT NULL,
  filter BLOB NOT NULL,
  qos INTEGER NOT NULL,
  first_sequence INTEGER NOT NULL,
  PRIMARY KEY (device, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE event (
  partition INTEGER NOT NULL,
  sequence_number INTEGER NOT NULL,
  byte_offset INTEGER NOT NULL,
  enqueued_time INTEGER NOT NULL,
  connection_device_id TEXT NOT NULL,
  connection_module_id TEXT NOT NULL,
  auth_generation_id TEXT NOT NULL,
  auth_method TEXT NOT NULL,
  message_source TEXT NOT NULL,
  interface_id BLOB NOT NULL,
  data_schema BLOB NOT NULL,
  subject BLOB NOT NULL,
  message_id_type INTEGER NOT NULL,
  message_id BLOB NOT NULL,
  correlation_id_type INTEGER NOT NULL,
  correlation_id BLOB NOT NULL,
  user_id BLOB NOT NULL,
  to_address BLOB NOT NULL,
  content_type BLOB NOT NULL,
  content_encoding BLOB NOT NULL,
  creation_time_utc BLOB NOT NULL,
  absolute_expiry INTEGER,
  properties BLOB NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (partition, sequence_number)
) STRICT;
